/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "port/port.h"

struct fy_channel;
struct fy_progress;
struct fy_slot;

/* Words beside those of the crew. */
enum fy_own_word {
	FY_WORD_GAVE_UP = 0x1, /* this rank has given the pair up */
	FY_WORD_LEAVES = 0x2,  /* this rank ends, whatever the others do */
	FY_WORD_HERE = 0x4,
	FY_WORD_ASK = 0x8,
	/* of question.c */
	FY_WORD_QUESTION = 0x10,
	FY_WORD_REPORT = 0x20, /* on this rank */
	FY_WORD_SILENT = 0x40  /* on those of `about` */
};

/* Words to one peer: see words.c. */
struct fy_words {
	uint8_t due;     /* enum fy_own_word: are to be sent */
	bool given_up;   /* one side has told the other that it gave it up */
	bool under_way;  /* MPI has one */
	int64_t sent_at; /* since then (ns) */
	char *buffer;    /* its bytes; NULL: they are constant */
	uint32_t asked;  /* the id of the peer's last question */
	uint64_t *about; /* ranks that it wants to be reported on; NULL: none */
	fy_request request;
};

/* Words to all peers. */
struct fy_words_all {
	bool open; /* words are due, or were sent a moment ago and are under way */
};

void fy_words_owe(struct fy_progress *p, struct fy_channel *ch, enum fy_own_word word);
/* Test and send, while there are open ones. */
void fy_words_step(struct fy_progress *p);
/* Does MPI have none? For a clean close. */
bool fy_words_are_over(struct fy_progress *p);
/* When the engine ends. `clean`: MPI has none. */
void fy_words_free(struct fy_progress *p, bool clean);
/* A batch without a number came. */
void fy_words_arrived(struct fy_progress *p, struct fy_channel *ch, const struct fy_slot *slot);
