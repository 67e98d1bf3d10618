/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "link/batch.h"
#include "link/counted.h"
#include "port/port.h"
#include "wire/bodies.h"
#include "wire/header.h"
#include "link/credit.h"
#include "link/failure.h"
#include "link/link.h"
#include "link/pending.h"

struct fy_link;
struct fy_record;
struct fy_stream_in;
struct fy_stream_out;

#define FY_REFUSED_MAX 16

/* Batches on their way out: closed ones, and those that MPI has. */
struct fy_channel_out {
	struct fy_batch *ready, *ready_last; /* closed, waiting for a place in flight */
	unsigned n_ready;
	struct fy_batch *flight, *flight_last; /* that MPI has, oldest first */
	unsigned n_flight;
	/* one that MPI failed to send; its bytes are the reason. The peer is gone at the end of the
	 * step */
	struct fy_batch *unsent;
	uint32_t seq;              /* of the next batch */
	uint32_t accepted;         /* of the last one that the peer said it has accepted */
	unsigned failed_starts;    /* sends that the port did not start, in a row */
	int64_t start_fails_since; /* when (ns) the first of these was tried */
};

/* Batches on their way in: the next one, its acceptance, and refused records. */
struct fy_channel_in {
	uint32_t seq;     /* of the next batch to dispatch */
	bool ack_owed;    /* a batch was accepted that wants it told, and that was not told yet */
	unsigned ack_age; /* steps since then with other work */
	struct fy_refused refused[FY_REFUSED_MAX]; /* to be told */
	unsigned n_refused;
};

/* The goodbye of a close: owed, sent, and seen from the peer. */
struct fy_bye {
	bool owed, sent, seen;
};

/* This pair's part of link->counts, so that it can be taken out when the peer is gone. */
struct fy_pair_counts {
	uint64_t issued[2], done[2];
	uint64_t given; /* messages of the peer that executors got */
};

struct fy_channel {
	/* one cache line for the drain: */
	char *fill; /* where the next record goes; NULL: no open batch */
	/* plain records may be put without another look while fill + size <= fast_end, and at most
	 * fast_records of them */
	char *fast_end;
	uint32_t fast_records;
	uint32_t nrecords; /* in the open batch */
	struct fy_batch *open;
	bool on_dirty;     /* on link->dirty: something is to be sent at the end of the step */
	bool has_queue;    /* records wait in the channel's queue (helm/queued.h) */
	bool control_owed; /* some control record may be owed */
	int rank;
	int gone; /* 0, or the status with which everything towards the peer ends */
	struct fy_channel *dirty_next, *all_next;
	struct fy_channel_out out;
	struct fy_channel_credit credit;
	struct fy_pending pending;
	struct fy_counted counted;
	struct fy_stream_out *streams_out;
	struct fy_failures failures;
	uint32_t *doorbell; /* the peer's bell, or NULL */
	/* posts that count were put, and no batch has asked for their acceptance since */
	bool count_owed;
	struct fy_channel_in in;
	struct fy_stream_in *streams_in;
	bool stream_ack_owed;
	struct fy_bye bye;
	/* on link->broken until the helm has ended what waits for the peer */
	struct fy_channel *broken_next;
	char *gone_why; /* why `gone` is set, or NULL */
	struct fy_pair_counts counts;
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
/* Send the closed batches, and the open one, as far as there are places in flight. Put control that
 * is owed before. True: nothing is left to be sent. */
bool fy_channel_send(struct fy_link *link, struct fy_channel *ch);
/* A place for a record of `size` in the open batch, whatever the credit. NULL: no memory. */
struct fy_record *fy_channel_reserve_slow(struct fy_link *link, struct fy_channel *ch,
                                          uint32_t size);
static inline struct fy_record *fy_channel_reserve(struct fy_link *link, struct fy_channel *ch,
                                                   uint32_t size)
{
	if (fy_likely(ch->open && ch->on_dirty &&
	              size <= (size_t)(ch->open->bytes + FY_BATCH_BYTES - ch->fill)))
		return fy_record_at(ch->fill);
	return fy_channel_reserve_slow(link, ch, size);
}
static inline void fy_channel_commit(struct fy_channel *ch, uint32_t size)
{
	ch->fill += size;
	ch->nrecords++;
}

/* `n` records of that colour were put for the peer. */
static inline void fy_channel_issued(struct fy_link *link, struct fy_channel *ch, unsigned colour,
                                     uint32_t n)
{
	link->counts.issued[colour] += n;
	ch->counts.issued[colour] += n;
}
/* One, with this stream. */
static inline void fy_channel_issued_as(struct fy_link *link, struct fy_channel *ch,
                                        uint32_t stream)
{
	fy_channel_issued(link, ch, fy_record_tag_colour(stream, link->counts.colour), 1);
}
/* `n` records of that colour that came from the peer came to their end. */
static inline void fy_channel_done(struct fy_link *link, struct fy_channel *ch, unsigned colour,
                                   uint32_t n)
{
	link->counts.done[colour] += n;
	ch->counts.done[colour] += n;
}

void fy_channel_mark(struct fy_link *link, struct fy_channel *ch);
/* The same, and a control record is owed. The caller notes which one. */
void fy_channel_owe(struct fy_link *link, struct fy_channel *ch);
/* Give the peer up: nothing goes to it or comes from it any more, and `gone` is `status`. What
 * waits for it ends at the end of the step, when no function is in the middle of anything. */
void fy_channel_break(struct fy_link *link, struct fy_channel *ch, int status, const char *text);
/* What came from the peer are not the bytes that it sent: give it up. `what` came: "a batch". */
void fy_channel_damaged(struct fy_link *link, struct fy_channel *ch, const char *what);
/* Send a batch, maybe without records, that asks the peer to answer soon. */
void fy_channel_ask(struct fy_link *link, struct fy_channel *ch);
void fy_channel_free_all(struct fy_link *link);
/* counts.colour has changed: close the open batches, so that later records are in batches of that
 * colour. */
void fy_channel_new_colour(struct fy_link *link);

/* Where the next record of the open batch will be: the batch's number in the upper half, the
 * record's index in the lower one. */
static inline uint64_t fy_channel_place(const struct fy_channel *ch)
{
	return (uint64_t)(ch->out.seq + ch->out.n_ready) << 32 | ch->nrecords;
}
