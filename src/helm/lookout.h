/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "helm/crew.h"

struct fy_channel;
struct fy_progress;

/* What was heard of one peer. */
struct fy_heard {
	int64_t at;     /* ns, by the lookout's clock: last, or since when something is awaited */
	uint32_t seq;   /* of its next batch, when that was looked at */
	unsigned asked; /* times since then that it was asked for a sign of life */
	uint32_t beats; /* of its watchdog, when that was looked at */
	bool word;      /* a word came since the last look */
	bool awaited;   /* this rank waits for it */
	bool call;      /* a call to it is open: while a look is made */
	bool told;      /* it is no member, and learned that from here */
	bool noted;     /* it is gone, and the program was told */
};

/* Who is silent, and the crew: see lookout.c. */
struct fy_lookout {
	bool on;
	int64_t look_at;   /* when (ns) to look next; INT64_MAX: never */
	int64_t listen_at; /* likewise, who is silent; before, only who is proved to be dead */
	int64_t looked_at; /* when it listened last */
	int64_t clock;     /* ns: its own, which moves only while the loop steps */
	bool watches;      /* at the last look this rank waited for another one */
	int64_t gone_at;   /* when (ns) the first rank was excluded; 0: all are there */
	bool notes;        /* the program wants to be told who is gone */
	struct fy_crew crew;
};

/* Its memory, while the open can still fail on all ranks. FERRY_OK or FERRY_ENOMEM. */
int fy_lookout_open(struct fy_progress *p);
/* `timeout` in ns, or FERRY_NONE. */
void fy_lookout_begin(struct fy_progress *p, int64_t timeout, bool quorum);
void fy_lookout_free(struct fy_progress *p);
void fy_lookout_step(struct fy_progress *p);
/* Look in this step, or the next one. */
void fy_lookout_soon(struct fy_progress *p);
/* Must an idle loop wake up for the next look? `awaits`: this rank waits for answers. */
bool fy_lookout_watches(const struct fy_progress *p, bool awaits);

/* That peer sent a word. */
void fy_lookout_heard(struct fy_progress *p, struct fy_channel *ch);
/* One of the crew's. False: it is malformed. */
bool fy_lookout_hear(struct fy_progress *p, struct fy_channel *ch, const void *word, size_t nbytes);
/* Its crew has that number. */
void fy_lookout_compare(struct fy_progress *p, struct fy_channel *ch, uint32_t number);
/* It ends, whatever the others do. */
void fy_lookout_leaves(struct fy_progress *p, struct fy_channel *ch);
/* A batch came from a peer that is gone. */
void fy_lookout_stranger(struct fy_progress *p, struct fy_channel *ch);
/* The program says that a rank is gone. FERRY_OK, or FERRY_ENOTSUP. */
int fy_lookout_name(struct fy_progress *p, int rank, const char *why);
