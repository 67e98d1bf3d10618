/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futures of posts that their receiver has not accepted yet, in the order of their places. Only the
 * holder of the helm may call.
 */
#include "link/pending.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "future/future.h"
#include "link/link.h"
#include "link/channel.h"
#include "link/counted.h"
#include "link/errors.h"
#include "link/failure.h"
#include "shared/engine.h"
#include "wire/header.h"
#include "wire/record.h"

/* A flush gets the first failure before it. If nobody waits for this flush any more, the failure
 * stays for the next one. */
static void complete_flush(struct fy_channel *ch, ferry_future *f, int status, const char *detail)
{
	char *why = NULL;
	if (fy_future_claim(f)) {
		int failure = fy_failure_take(ch, (uint32_t)(uintptr_t)f->extra & FY_STREAM, &why);
		if (status) {
			free(why);
			why = detail ? strdup(detail) : NULL;
		}
		f->detail = why;
		fy_future_finish(f, status ? status : failure);
	}
	ferry_future_release(f);
}

/* For a flush, and for a post that failed. */
__attribute__((noinline)) void fy_pending_complete_seldom(struct fy_link *link,
                                                          struct fy_channel *ch, ferry_future *f,
                                                          int status, const char *detail)
{
	if (status)
		fy_errors_note(link, status, ch->rank, detail);
	if (f->flags & FY_FUTURE_IS_FLUSH) {
		complete_flush(ch, f, status, detail);
		return;
	}
	fy_failure_note(ch, (uint32_t)(uintptr_t)f->extra & FY_STREAM, status, detail);
	fy_future_complete(f, status, detail);
}

ferry_future *fy_pending_pop(ferry_future **first, ferry_future **last)
{
	ferry_future *f = *first;
	*first = f->next;
	if (!*first)
		*last = NULL;
	f->next = NULL;
	return f;
}

void fy_pending_accepted(struct fy_link *link, struct fy_channel *ch,
                         const struct fy_batch_header *h)
{
	ch->out.accepted = h->accepted;
	while (ch->pending.first &&
	       (int32_t)((uint32_t)(ch->pending.first->id >> 32) - h->accepted) <= 0) {
		link->n_pending--;
		fy_pending_complete(link, ch, fy_pending_pop(&ch->pending.first, &ch->pending.last),
		                    0, NULL);
		link->worked = true;
	}
	if (ch->counted.first)
		fy_counted_accepted(link, ch, h->accepted);
	if (h->limit > ch->credit.limit) {
		ch->credit.limit = h->limit;
		ch->credit.hungry_told = false;
		ch->fast_end = NULL; /* so that the next request computes it anew */
	}
}

const char fy_pending_unread[] = "the receiver could not read the batch";

/* Fail the futures of a list whose ids are among `count` from `first` on. Returns how many. */
unsigned fy_pending_refuse(struct fy_link *link, struct fy_channel *ch, ferry_future **list,
                           ferry_future **last, uint64_t first, uint64_t count, int status)
{
	ferry_future **at = list, *before = NULL, *f;
	unsigned n = 0;
	while ((f = *at)) {
		if (f->id - first >= count) {
			before = f;
			at = &f->next;
			continue;
		}
		*at = f->next;
		if (*last == f)
			*last = before;
		fy_pending_complete(link, ch, f, status, fy_pending_unread);
		n++;
	}
	return n;
}

void fy_pending_fail(struct fy_link *link, struct fy_channel *ch, ferry_future **first,
                     ferry_future **last, int status, const char *detail)
{
	while (*first)
		fy_pending_complete(link, ch, fy_pending_pop(first, last), status, detail);
}
