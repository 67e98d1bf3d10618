/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crew: which ranks go on together. See crew.c. Pure: it knows words and times, and nothing
 * else. Only the holder of the helm may call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/crew_word.h"

struct fy_crew_edge;

enum fy_crew_phase {
	FY_CREW_QUIET,    /* nobody is missing */
	FY_CREW_ACCUSING, /* somebody is, and another rank was told so */
	FY_CREW_ASKING,   /* this rank coordinates: answers come in */
	FY_CREW_PROPOSING,
	FY_CREW_WAITING, /* for the outcome of another rank's ballot */
	FY_CREW_STOPPED
};

/* Why this rank cannot go on. */
enum fy_crew_stop { FY_CREW_GOES_ON, FY_CREW_EXCLUDED, FY_CREW_DEAF, FY_CREW_NO_QUORUM };

/* A crew that was proposed: numbers, and a set of ranks. */
struct fy_crew_of {
	uint32_t number;
	struct fy_ballot ballot;
	uint64_t *members;
};

/* What was reported: that rank does not hear this one. */
struct fy_crew_edges {
	struct fy_crew_edge *all;
	size_t n, room;
};

struct fy_crew {
	int rank, size;
	int64_t timeout; /* ns */
	bool quorum;
	struct fy_crew_of now;      /* the crew that this rank has */
	struct fy_crew_of accepted; /* the last one that it agreed to */
	struct fy_ballot promised;  /* it takes part in no lower one */
	uint64_t *silent;           /* nothing was heard of them for too long */
	uint64_t *broken;           /* this rank cannot go on with them */
	uint64_t *dead;             /* it is known, from here or by others */
	uint64_t *late;             /* they live, and cannot answer for a while */
	/* as coordinator */
	struct fy_ballot mine;
	struct fy_crew_of best; /* the last crew that any answer shows */
	struct fy_crew_of proposal;
	uint64_t *answered; /* since the question, or the proposal */
	struct fy_crew_edges edges;
	/* what is to be done next */
	enum fy_crew_phase phase;
	int64_t since; /* ns: of the phase */
	int64_t time;  /* ns: of the last step */
	uint8_t *due;  /* by rank: 1 << kind of the words that are to be sent there */
	int n_due;     /* ranks of which `due` is not 0 */
	bool changed;  /* there is a new crew; the reader clears it */
	enum fy_crew_stop stop;
	uint64_t *heard_sets; /* of the word that is heard just now */
	uint64_t *memory;
};

/* FERRY_OK or FERRY_ENOMEM. `timeout` in ns, at least 12. */
int fy_crew_open(struct fy_crew *c, int rank, int size, int64_t timeout);
void fy_crew_free(struct fy_crew *c);

/* That rank is silent, or not any more. This rank cannot go on with it. It is dead, or the program
 * says so. The last two are for ever. */
void fy_crew_set_silent(struct fy_crew *c, int rank, bool silent);
/* That rank lives, and cannot answer for a while; or it can again. A coordinator waits for it. */
void fy_crew_set_late(struct fy_crew *c, int rank, bool late);
void fy_crew_set_broken(struct fy_crew *c, int rank);
void fy_crew_set_dead(struct fy_crew *c, int rank);
bool fy_crew_is_member(const struct fy_crew *c, int rank);
/* Does this rank coordinate, and wait for a word of that one? */
bool fy_crew_awaits(const struct fy_crew *c, int rank);

/* Time has passed: call it about every twelfth of the timeout, and when a set_ was called. `time`
 * in ns is that of this rank's own clock. */
void fy_crew_step(struct fy_crew *c, int64_t time);
/* A word came from that rank. False: it is malformed. */
bool fy_crew_hear(struct fy_crew *c, int from, const void *word, size_t nbytes);
/* Something came from a rank that is no member: tell it the crew. */
void fy_crew_tell(struct fy_crew *c, int rank);

/* The next word that is due to that rank, into `buffer`, of fy_crew_word_max(size) bytes. Returns
 * its length; 0: nothing is due any more. */
size_t fy_crew_write(struct fy_crew *c, int to, void *buffer);
