/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_LINK_CHANNEL_H
#define FY_LINK_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "bulk/turns.h"
#include "link/batch.h"
#include "port/port.h"
#include "wire/bodies.h"
#include "wire/header.h"

struct fy_account;
struct fy_failure;
struct fy_inbound;
struct fy_outbound;
struct fy_link;
struct fy_queued;
struct fy_record;
struct fy_slot;
struct fy_stream_in;
struct fy_stream_out;

#define FY_REFUSED_MAX 16

struct fy_channel {
	/* the drain's line */
	char *fill; /* where the next record goes; NULL: no open batch */
	/* a plain record may be put without looking while fill + size <= fast_end */
	char *fast_end;
	uint32_t fast_records; /* and so many of them */
	uint32_t nrecords;     /* in the open batch */
	struct fy_batch *open;
	bool on_dirty;  /* on progress->dirty: something is to be sent at the end of the step */
	bool has_queue; /* records wait in `queue` */
	/* a control word that is owed below may not have been written yet */
	bool control_owed;
	/* */
	int rank;
	int gone; /* 0, or the status that everything towards it gets */
	struct fy_channel *dirty_next, *all_next;
	/* out */
	struct fy_batch *ready, *ready_last; /* full or closed, waiting for a place in flight */
	unsigned n_ready;
	struct fy_batch *flight, *flight_last; /* oldest first */
	unsigned n_flight;
	/* MPI failed to send it, and its bytes say why: the peer is gone at the end of the step */
	struct fy_batch *unsent;
	uint32_t seq_out; /* of the next batch */
	uint64_t spent, limit;
	bool hungry;      /* credit ran out: to be told with the next batch */
	bool hungry_told; /* it was told and the limit has not grown since */
	struct fy_queued *queue, *queue_last;
	size_t queued;         /* bytes in it */
	int64_t stalled_since; /* when a record first found no room, since one last did; 0: none */
	bool full;             /* engine->full is raised */
	bool on_queued;        /* on progress->queued */
	struct fy_channel *queued_next;
	/* posts that wait for acceptance; future->id is seq << 32 | index */
	ferry_future *pending, *pending_last;
	struct fy_stream_out *streams_out;
	struct fy_failure *failures;
	/* one for which there was no memory: whichever stream flushes next hears of it */
	int failure_unnoted;
	/* large messages that wait for a grant, oldest first */
	struct fy_outbound *asked, *asked_last;
	struct fy_outbound *out, *out_last; /* under way */
	/* those whose place in their stream is not acknowledged, in the order of their places */
	struct fy_outbound *unacked, *unacked_last;
	struct fy_turns turns_out;
	unsigned n_lengths_behind; /* large messages whose lengths did not all find memory yet */
	uint64_t next_xid, next_chunk;
	unsigned refusals; /* sends that the port refused in a row */
	int64_t refused_since;
	uint32_t *doorbell; /* the peer's word, or NULL */
	/* in */
	uint32_t seq_in;       /* of the next batch to dispatch */
	struct fy_slot *early; /* batches that came before their turn, or are paused */
	uint64_t spent_in;     /* what the peer had spent at the last batch that was dispatched */
	uint64_t held;         /* charges of messages of it that are still held */
	uint64_t window;
	uint64_t limit_sent;
	struct fy_account *account;
	struct fy_stream_in *streams_in;
	struct fy_inbound *in; /* announced, not complete */
	uint64_t next_xid_in;  /* the lowest that the next announcement may have */
	uint64_t prepaid_in;   /* bytes of those among them that are prepaid */
	/* the first lacks lengths: it and all behind it, oldest first */
	struct fy_inbound *parked, *parked_last;
	uint64_t lengths_held; /* bytes of lengths of messages that have no memory yet */
	unsigned n_stalled;    /* granted messages of which nothing came for long */
	struct fy_turns turns_in;
	/* control: one pending word a kind */
	bool ack_owed;    /* accepted moved and somebody over there waits for it */
	unsigned ack_age; /* steps since */
	bool limit_owed;
	bool peer_hungry; /* the peer told that it ran out, and no limit was sent since */
	bool recall_owed;
	bool give_owed;
	bool stream_ack_owed;
	struct fy_inbound *grants_owed, *grants_last;
	struct fy_refused refused[FY_REFUSED_MAX];
	unsigned n_refused;
	bool up_owed, down_owed, news_owed;
	struct fy_agree_word up, down;
	struct fy_agree_news news;
	bool bye_owed, bye_sent, bye_seen;
	/* batches that do not come */
	bool gap; /* at the last look the number `gap_at` was missing, and a later one was there */
	uint32_t gap_at;
	bool told;    /* the peer was told that it is given up, or said so itself */
	bool telling; /* MPI has that batch yet */
	fy_request tell;
	/* on progress->broken, until the helm has ended what waits for the peer; why, or NULL */
	struct fy_channel *broken_next;
	char *broken_why;
};
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
	return (uint64_t)(ch->seq_out + ch->n_ready) << 32 | ch->nrecords;
}

#endif
