/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

struct fy_channel;
struct fy_link;

/*
 * Posts that count into one counter, next to each other in one batch, and not confirmed. The upper
 * half of an id is the batch's number. The lower half is the record's index there (both are
 * fy_channel_place), or, in a stream with a large message, its running number in the stream.
 */
struct fy_counted_run {
	struct fy_counted_run *next;
	ferry_counter *counter;
	uint64_t id; /* the first one's */
	uint32_t count;
	uint32_t stream; /* with a tag */
	bool alone;      /* a large message, which may fail by itself */
};

/* The runs of a channel, or of a stream with a large message, oldest first. */
struct fy_counted {
	struct fy_counted_run *first, *last;
};

/* Of all channels of an engine. */
struct fy_counted_all {
	struct fy_counted_run *spare; /* to be used again */
	unsigned n_open;              /* posts in all runs */
};

bool fy_counted_reserve_slow(struct fy_counted_all *all);
/* Make sure of the memory that fy_counted_add needs. False: there is none. */
static inline bool fy_counted_reserve(struct fy_counted_all *all)
{
	return all->spare || fy_counted_reserve_slow(all);
}
/* `n` posts with ids from `id` on are put. Cannot fail after fy_counted_reserve. */
void fy_counted_add(struct fy_link *link, struct fy_counted *runs, ferry_counter *counter,
                    uint64_t id, uint32_t n, uint32_t stream);
/* The same for one large message, in a stream. */
void fy_counted_add_large(struct fy_link *link, struct fy_counted *runs, ferry_counter *counter,
                          uint64_t id, uint32_t stream);
/* The peer has accepted all batches up to this number. */
void fy_counted_accepted(struct fy_link *link, struct fy_channel *ch, uint32_t seq);
/* It has acknowledged this stream up to this running number. */
void fy_counted_acked(struct fy_link *link, struct fy_counted *runs, uint32_t number);
/* The peer has refused what is in that batch from this id on. Returns how many these are. */
unsigned fy_counted_refuse(struct fy_link *link, struct fy_channel *ch, struct fy_counted *runs,
                           uint64_t first, int status, const char *detail);
/* The large message with this running number failed. False: it is not among these. */
bool fy_counted_fail_one(struct fy_link *link, struct fy_channel *ch, struct fy_counted *runs,
                         uint32_t number, int status, const char *detail);
void fy_counted_fail_all(struct fy_link *link, struct fy_channel *ch, struct fy_counted *runs,
                         int status, const char *detail);
void fy_counted_free(struct fy_link *link);
