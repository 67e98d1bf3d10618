/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "link/counted.h"

struct fy_ack_stream;
struct fy_channel;
struct fy_link;
struct fy_refused;

/* FY_HELD records of one stream that are not acknowledged, next to each other in one batch. */
struct fy_run {
	struct fy_run *next;
	uint32_t seq, index;    /* where the first of them is */
	uint32_t number, count; /* the first one's running number in the stream; how many */
};

struct fy_stream_out {
	struct fy_stream_out *next;
	uint32_t stream;
	uint32_t outstanding;            /* FY_HELD records that are not acknowledged */
	uint32_t sent;                   /* running number of the last one */
	uint32_t acked;                  /* the receiver has dealt with all up to this number */
	struct fy_run *runs, *runs_last; /* where the outstanding ones are, oldest first */
	ferry_future *first, *last;      /* of posts among them; future->id is the running number */
	struct fy_counted counted;       /* posts among them that count into a counter */
};
void fy_stream_out_refuse(struct fy_link *link, struct fy_channel *ch, struct fy_stream_out *s,
                          const struct fy_refused *r);
void fy_stream_out_fail_all(struct fy_link *link, struct fy_channel *ch, int status,
                            const char *detail);
/* An acknowledgement came. True: *upto is the running number up to which the receiver has dealt
 * with all of that stream. */
bool fy_stream_out_acked(struct fy_link *link, struct fy_channel *ch,
                         const struct fy_ack_stream *ack, uint32_t *upto);
/* The record with this running number failed: its future or its counter, if it has one, gets
 * `status`. Else the failure is noted for a flush. */
void fy_stream_out_fail(struct fy_link *link, struct fy_channel *ch, uint32_t stream,
                        uint32_t number, int status, const char *detail);
struct fy_stream_out *fy_stream_out_find(struct fy_link *link, struct fy_channel *ch,
                                         uint32_t stream, bool create);
/* Is there memory to count the next record of the open batch? */
bool fy_stream_out_reserve(struct fy_channel *ch, struct fy_stream_out *s);
/* That record was put: count it. */
static inline void fy_stream_out_count(struct fy_stream_out *s)
{
	s->sent++;
	s->outstanding++;
	s->runs_last->count++;
}
/* If no record is outstanding, end the counting in this stream. */
void fy_stream_out_settle(struct fy_link *link, struct fy_channel *ch, struct fy_stream_out *s);
