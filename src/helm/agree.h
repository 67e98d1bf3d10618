/* SPDX-License-Identifier: Apache-2.0 */
/* Agreements: see agree.c. Everything here is the helm's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "helm/news.h"
#include "wire/bodies.h"

struct fy_channel;
struct fy_progress;

enum { FY_AGREE_FENCE = 1, FY_AGREE_CLOSE = 2, FY_AGREE_TAINTED = 0x100 };

struct fy_agree {
	uint32_t n;    /* the number of this agreement, or of the last one */
	uint32_t kind; /* 0: none is going on here */
	uint32_t round;
	bool up_sent;            /* `up` was sent in this round */
	struct fy_agree_word up; /* what was sent last */
	bool up_due;             /* counts have to be looked at again at again_at */
	uint32_t crew;           /* the number of the crew when this rank joined */
	bool last_known;         /* root: the sums of the round before were equal, and these: */
	uint64_t last_sent, last_done;
	unsigned still_rounds; /* root: rounds without a change, in a row */
	bool careful;          /* on some rank counts cannot match */
	bool frozen;           /* of a close: the program posts nothing any more */
	int64_t resend_delay, again_at;
	bool everybody;       /* all ranks have joined this agreement */
	uint32_t finished;    /* how many agreements are over */
	uint32_t last_kind;   /* of the last one of these */
	bool tell_over;       /* there is a new crew: the neighbours are to be told of that one */
	ferry_future *waiter; /* completed when this agreement is over; the helm's reference */
	struct fy_closing closing;
	bool tainted; /* records were lost in malformed batches: this rank's counts never match */
};

/* What a peer said last, of this crew or of a later one; the word's n is 0: nothing. */
struct fy_agree_heard {
	struct fy_agree_word up, down;
	struct fy_agree_news news; /* of a later crew, if news_kept */
	bool news_kept;
};

void fy_agree_complete(struct fy_agree *a, int status, const char *detail);
bool fy_agree_is_quiet(struct fy_progress *p);
/* Has that child sent its up of this round? */
bool fy_agree_has_answered(const struct fy_progress *p, int child);

void fy_agree_join(struct fy_progress *p, uint32_t kind);
void fy_agree_up(struct fy_progress *p, struct fy_channel *ch, const struct fy_agree_word *w);
void fy_agree_down(struct fy_progress *p, struct fy_channel *ch, const struct fy_agree_word *w);
void fy_agree_step(struct fy_progress *p);
/* A rank is gone, and the ranks agree on no crew: end a fence that is going on. */
void fy_agree_give_up(struct fy_progress *p);
/* There is a new crew: what is going on begins again among its members. */
void fy_agree_new_crew(struct fy_progress *p);
enum fy_agree_age { FY_AGREE_OLD, FY_AGREE_NOW, FY_AGREE_LATER, FY_AGREE_NEVER };
/* Of which crew is a word of that peer with this number, seen from here? If it is old the peer is
 * told the crew. */
enum fy_agree_age fy_agree_age(struct fy_progress *p, struct fy_channel *ch, uint32_t crew);
