/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_LINK_CHANNEL_H
#define FY_LINK_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "link/batch.h"
#include "port/port.h"
#include "wire/bodies.h"
#include "wire/header.h"
#include "link/credit.h"
#include "link/failure.h"
#include "link/pending.h"

struct fy_link;
struct fy_record;
struct fy_stream_in;
struct fy_stream_out;

#define FY_REFUSED_MAX 16

/* Batches on their way out: full ones, those in flight, and what the port refused. */
struct fy_channel_out {
	struct fy_batch *ready, *ready_last; /* full or closed, waiting for a place in flight */
	unsigned n_ready;
	struct fy_batch *flight, *flight_last; /* oldest first */
	unsigned n_flight;
	/* MPI failed to send it, and its bytes say why: the peer is gone at the end of the step */
	struct fy_batch *unsent;
	uint32_t seq;           /* of the next batch */
	unsigned failed_starts; /* sends that the port refused in a row */
	int64_t start_fails_since;
};

/* The next batch, whether its acceptance is to be told, and batches that were not believed. */
struct fy_channel_in {
	uint32_t seq;     /* of the next batch to dispatch */
	bool ack_owed;    /* accepted moved and somebody over there waits for it */
	unsigned ack_age; /* steps since */
	struct fy_refused refused[FY_REFUSED_MAX];
	unsigned n_refused;
};

/* Goodbyes: owed, sent, seen. */
struct fy_bye {
	bool owed, sent, seen;
};

struct fy_channel {
	/* the drain's line */
	char *fill; /* where the next record goes; NULL: no open batch */
	/* a plain record may be put without looking while fill + size <= fast_end */
	char *fast_end;
	uint32_t fast_records; /* and so many of them */
	uint32_t nrecords;     /* in the open batch */
	struct fy_batch *open;
	bool on_dirty;  /* on link->dirty: something is to be sent at the end of the step */
	bool has_queue; /* records wait in `queue` */
	/* a control word that is owed below may not have been written yet */
	bool control_owed;
	int rank;
	int gone; /* 0, or the status that everything towards it gets */
	struct fy_channel *dirty_next, *all_next;
	struct fy_channel_out out;
	struct fy_channel_credit credit;
	struct fy_pending pending;
	struct fy_stream_out *streams_out;
	struct fy_failures failures;
	uint32_t *doorbell; /* the peer's word, or NULL */
	struct fy_channel_in in;
	struct fy_stream_in *streams_in;
	bool stream_ack_owed;
	struct fy_bye bye;
	/* on link->broken, until the helm has ended what waits for the peer; why, or NULL */
	struct fy_channel *broken_next;
	char *broken_why;
};
_Static_assert(offsetof(struct fy_channel, fill) == 0 &&
                       offsetof(struct fy_channel, fast_end) < FY_CACHE_LINE &&
                       offsetof(struct fy_channel, fast_records) < FY_CACHE_LINE &&
                       offsetof(struct fy_channel, gone) < FY_CACHE_LINE,
               "the drain looks at one line of the cache for a record");

void fy_channel_close_batch(struct fy_channel *ch);

static inline char *fy_channel_open_end(const struct fy_channel *ch)
{
	return ch->open->bytes + FY_BATCH_BYTES;
}
void fy_channel_test_flight(struct fy_link *link, struct fy_channel *ch);
void fy_channel_send_full(struct fy_link *link, struct fy_channel *ch);
/* What is ready leaves; the open batch too, when there is a place for it. True when nothing is
 * left to be sent. Control that is owed was put before. */
bool fy_channel_send(struct fy_link *link, struct fy_channel *ch);
/* Room for a record of `size` in the open batch, credit or not; NULL: no memory. */
struct fy_record *fy_channel_reserve_slow(struct fy_link *link, struct fy_channel *ch,
                                          uint32_t size);
static inline struct fy_record *fy_channel_reserve(struct fy_link *link, struct fy_channel *ch,
                                                   uint32_t size)
{
	if (fy_likely(ch->open && ch->on_dirty &&
	              size <= (size_t)(ch->open->bytes + FY_BATCH_BYTES - ch->fill)))
		return (struct fy_record *)(void *)ch->fill;
	return fy_channel_reserve_slow(link, ch, size);
}
static inline void fy_channel_commit(struct fy_link *link, struct fy_channel *ch, uint32_t size)
{
	(void)link;
	ch->fill += size;
	ch->nrecords++;
}

void fy_channel_mark(struct fy_link *link, struct fy_channel *ch);
/* Likewise, and a control word is owed: whoever says so in one of the words for them. */
void fy_channel_owe(struct fy_link *link, struct fy_channel *ch);
/* Nothing goes to that peer or comes from it any more: `gone` is that status from now on. What
 * waits for it ends at the end of the step, when nobody is in the middle of anything. */
void fy_channel_break(struct fy_link *link, struct fy_channel *ch, int status, const char *text);
/* The peer is to answer soon, with a batch that may have no records. */
void fy_channel_ask(struct fy_link *link, struct fy_channel *ch);
void fy_channel_free_all(struct fy_link *link);
/* Batches that are begun take nothing more: those that follow are of p->colour. */
void fy_channel_new_colour(struct fy_link *link);

/* Where the next record of the open batch will be: its batch's number, and its own in the
 * lower half. */
static inline uint64_t fy_channel_place(const struct fy_channel *ch)
{
	return (uint64_t)(ch->out.seq + ch->out.n_ready) << 32 | ch->nrecords;
}

#endif
