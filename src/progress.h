/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the holder of the helm owns: channels, batches, receives, transfers,
 * handlers, calls, timers, agreements. Nothing here is shared: whoever holds
 * the helm reads and writes it without atomics, and taking the helm orders
 * one holder's accesses before the next one's.
 *
 * One step (progress.c) does, in this order: inboxes, receives and their
 * dispatch, lanes, transfers, sends, timers, inline callbacks.
 */
#ifndef FY_PROGRESS_H
#define FY_PROGRESS_H

#include "block.h"
#include "engine.h"
#include "future.h"
#include "message.h"
#include "port.h"
#include "record.h"

/* ---- the wire: doc/wire-format.md says it in words ----------------------- */

#define FY_WIRE_MAGIC 0x31595246u /* "FRY1" */
#define FY_WIRE_VERSION 2
#define FY_BATCH_BYTES 8192u /* header and records: what the common transports still send eagerly */
#define FY_FOLD_MAX 4096u    /* a message up to this size travels inside a batch */
/* credit of a batch beside its records: what an unexpected message costs MPI */
#define FY_BATCH_CHARGE 1024u
/* what a call reserves at the caller; a larger reply waits for a grant */
#define FY_REPLY_ROOM 2048u
/* a record without room waits in its lane for so long, then in its channel's queue */
#define FY_STALL_MAX FERRY_MS(1)
#define FY_LENGTHS_RECORD 256u /* lengths that one record carries */

struct fy_batch_header {
	uint32_t magic;
	uint16_t version;
	uint16_t flags;
	uint32_t seq; /* of this pair of ranks, in this direction, from first_seq on */
	uint32_t nrecords;
	uint32_t accepted; /* the last batch of the other direction that was dispatched whole */
	uint32_t checksum;
	uint64_t limit; /* credit: what the receiver of this header may have spent in total */
	uint64_t spent; /* what its sender has spent in total */
};
_Static_assert(sizeof(struct fy_batch_header) == 40, "the wire format says 40 bytes");

#define FY_BATCH_WANTS_ACK 0x1u /* a future waits for the acceptance of this batch */
#define FY_BATCH_HUNGRY 0x2u    /* the sender ran out of credit */
#define FY_BATCH_GOODBYE 0x4u   /* the last batch of this pair */
/* the sender has given this pair up; such a batch has no number and no records */
#define FY_BATCH_GAVE_UP 0x8u
#define FY_BATCH_COLOUR 0x10u /* its records without a tag are of colour 1 */

struct fy_announce {          /* body of a FY_LARGE record, then the first lengths */
	uint64_t xid;         /* of this pair, in this direction, never reused */
	uint64_t total;       /* bytes of all parts */
	uint64_t first_chunk; /* numbers give the tags: 1 + number % tag_max */
	uint32_t n_parts;     /* the body, then the attachments */
	uint32_t chunk_bytes;
	uint32_t flags;
	int32_t status; /* of a reply that is an error */
};
#define FY_ANNOUNCE_PREPAID 0x1u /* paid from the credit: the data comes without a grant */

struct fy_grant { /* body of FY_OP_GRANT */
	uint64_t xid;
	int32_t status; /* 0, or why the message is refused */
	uint32_t zero;
};
/* body of FY_OP_LOST: no chunk from number `started` on was started, and some of the last before
 * it failed */
struct fy_lost {
	uint64_t xid, started;
	uint32_t which; /* bit i: chunk started - 1 - i does not come */
	int32_t status;
};
struct fy_reply_error { /* in front of the text of a reply that says no */
	int32_t status;
	/* 1: the status is the library's own and arrives as it is; 0: the handler's, arrives
	 * as EREMOTE */
	uint32_t ferrys;
};
/* body of FY_OP_REFUSED: the records of batch `seq` from `index` on were not believed */
struct fy_refused {
	uint32_t seq, index;
	int32_t status;
	uint32_t zero;
};
/* body of FY_OP_ACK_STREAM: so many more FY_HELD records of that stream are delivered */
struct fy_ack_stream {
	uint32_t stream, count;
};
struct fy_agree_word { /* body of FY_OP_AGREE_UP and _DOWN */
	uint32_t n, round;
	uint32_t kind;    /* FY_AGREE_FENCE or FY_AGREE_CLOSE, and FY_AGREE_TAINTED */
	uint32_t verdict; /* down; up: 0 */
	uint64_t sent, done;
};
#define FY_AWAITED_NAMED 4u
struct fy_awaited { /* ranks that a close waits for */
	uint32_t count, zero;
	uint32_t first[FY_AWAITED_NAMED]; /* the lowest ones of them */
};
struct fy_agree_news { /* body of FY_OP_AGREE_NEWS: a rank closes */
	uint32_t closer;
	uint32_t fences;           /* that it had finished */
	struct fy_awaited awaited; /* up: of the ranks below; down: of all */
};
_Static_assert(sizeof(struct fy_agree_news) == 32, "the wire format says 32 bytes");

/* ---- batches and channels ------------------------------------------------ */

struct fy_batch {
	struct fy_batch *next;
	fy_request request;
	uint32_t fill; /* bytes, header included */
	uint32_t nrecords;
	uint32_t flags;
	bool charged;   /* its FY_BATCH_CHARGE was spent */
	uint64_t spent; /* once closed: by it and all before it */
	FY_ALIGNED char bytes[FY_BATCH_BYTES];
};

struct fy_queued { /* records in lane form that wait in a channel */
	struct fy_queued *next;
	uint32_t from, to, room;
	FY_ALIGNED char bytes[];
};

/* FY_HELD records of one stream that are not acknowledged and lie one behind the other in
 * one batch. */
struct fy_run {
	struct fy_run *next;
	uint32_t seq, index;    /* where the first of them is */
	uint32_t number, count; /* its running number in the stream, and how many they are */
};

/* A stream whose records are counted, because a large message is under way in
 * it: the sender's side. */
struct fy_outbound;
struct fy_stream_out {
	struct fy_stream_out *next;
	uint32_t stream;
	uint32_t outstanding;            /* FY_HELD records that are not acknowledged */
	uint32_t sent;                   /* running number of the last one */
	uint32_t acked;                  /* all up to this number are dealt with */
	struct fy_run *runs, *runs_last; /* where the outstanding ones are, oldest first */
	ferry_future *first, *last; /* futures of posts among them; future->id is their number */
	struct fy_outbound *large, *large_last; /* large messages among them, in order */
};
/* The receiver's side: what cannot be delivered yet, in order. */
struct fy_stream_in {
	struct fy_stream_in *next;
	uint32_t stream;
	uint32_t owed; /* delivered and not yet acknowledged */
	struct fy_held *first, *last;
};
struct fy_held {
	struct fy_held *next;
	ferry_message *message;
	uint8_t colour;
	bool ready;   /* complete: may be delivered when it comes first */
	bool refused; /* counts, but nothing is delivered */
};

struct fy_flow;
/* Large messages whose chunks use tags, in that order (transfer_chunk.c). */
struct fy_turns {
	struct fy_flow *first, *last;
	/* all of their chunks that are not finished have numbers from low to below high */
	uint64_t low, high;
};

struct fy_failure { /* the first failure of a stream towards a rank since its last flush */
	struct fy_failure *next;
	uint32_t stream;
	int status;
	char *detail; /* malloc'd, or NULL */
};

struct fy_slot;
struct fy_outbound;
struct fy_inbound;

#define FY_REFUSED_MAX 16

struct fy_channel {
	/* the drain's line */
	char *fill; /* where the next record goes; NULL: no open batch */
	/* a plain record may be put without looking while fill + size <= fast_end */
	char *fast_end;
	uint32_t fast_records; /* and so many of them */
	uint32_t nrecords;     /* in the open batch */
	struct fy_batch *open;
	bool on_dirty; /* on progress->dirty: something is to be sent at the end of the step */
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
};

/* ---- receives ------------------------------------------------------------ */

struct fy_slot {
	fy_request request;
	char *buffer;
	struct fy_slot *next; /* in the order of posting, or in a channel's early list */
	struct fy_slot *extra_next;
	uint32_t seq;           /* once arrived */
	uint32_t offset, index; /* where a paused dispatch goes on */
	bool begun;
	bool bad; /* not to be believed at all: it only takes a number */
};

/* ---- handlers, calls ------------------------------------------------------ */

struct fy_handler {
	uint32_t op;
	ferry_executor *where;
	ferry_handler_fn *fn;
	void *arg;
	/* memory: the table's, each message's in its executor, a waiter's: atomic add */
	uint32_t refs;
	uint32_t running; /* futex: threads of its executor inside it: atomic add */
	uint32_t closed;  /* set by the helm (swap): what is queued goes to the mailbox instead */
	struct fy_handler *next;
};
#define FY_OPS_DIRECT 256
#define FY_OPS_HASHED 64

struct fy_memory_handler {
	uint32_t op;
	ferry_memory_fn *fn;
	void *arg;
	struct fy_memory_handler *next;
};

struct fy_call {
	ferry_future *future; /* NULL: free */
	uint32_t generation;
	uint32_t next_free;
	int rank;
};

struct fy_timer {
	int64_t when;
	ferry_future *future; /* holds a reference */
};

/* ---- agreements ---------------------------------------------------------- */

enum { FY_AGREE_FENCE = 1, FY_AGREE_CLOSE = 2, FY_AGREE_TAINTED = 0x100 };

/* Who closes; agree_news.c. Neighbours: the children, then the parent. */
enum { FY_NEIGHBOUR_PARENT = 2, FY_NEIGHBOURS = 3 };
struct fy_closing {
	bool known; /* a rank closes, this one or another: */
	/* the first that was heard of, and how many fences it had finished */
	uint32_t rank, fences;
	int64_t tell_at; /* not before that */
	bool told[FY_NEIGHBOURS];
	struct fy_awaited told_last[FY_NEIGHBOURS];
	bool below_known[2], all_known; /* what the neighbours said: */
	struct fy_awaited below[2], all;
};

struct fy_agree {
	uint32_t n;    /* the current agreement, or the last one */
	uint32_t kind; /* 0: none is going on here */
	uint32_t round;
	bool up_sent;            /* in this round: */
	struct fy_agree_word up; /* what was sent last */
	bool up_due;             /* more is to be sent, or judged, at again_at */
	bool seen[2];            /* from the children */
	struct fy_agree_word child[2];
	bool last_known; /* root: of the round before, in which the sums were equal: */
	uint64_t last_sent, last_done;
	unsigned still_rounds;
	bool careful; /* counts cannot match somewhere */
	bool frozen;  /* of a close: the program posts nothing any more */
	int64_t pause, again_at;
	bool everybody;       /* all ranks have joined this agreement */
	uint32_t finished;    /* how many agreements are over */
	ferry_future *waiter; /* completed when this agreement is over; the helm's reference */
	struct fy_closing closing;
};

/* ---- operations of MPI that the program started --------------------------- */

/* What the loop knows of them; the rest is behind this struct, in the port's library. */
struct fy_starts {
	size_t under_way; /* requests that are to be tested */
	/* of these, what a close waits for: all but receives that may never match */
	size_t awaited;
};

/* By the holder of the helm. */
struct fy_start_ops {
	/* Take a FY_OP_START record. False: no memory now, it stays in its lane. */
	bool (*take)(struct fy_progress *p, const struct fy_record *r);
	/* Such a record will not be started; also before the first take. */
	void (*fail)(struct fy_progress *p, const struct fy_record *r, int status,
	             const char *detail);
	/* The others need p->starts, which the first take makes. A bounded look at the requests: */
	void (*step)(struct fy_progress *p);
	/* The close is agreed: receives that found no message end now. Again each step. */
	void (*end)(struct fy_progress *p);
	/* The engine ends, orderly or not: futures that are still open complete, and what MPI has
	 * stays its own. */
	void (*abandon)(struct fy_progress *p);
	void (*free)(struct fy_progress *p);
};

/* ---- all of it ------------------------------------------------------------ */

struct fy_progress {
	ferry *engine;
	fy_port *port;
	const ferry_options *options;
	/* how long the loop spins before it yields, and yields before it sleeps */
	int64_t spin, yield;
	/* how long a thread that waits drives on though nothing happens, while chunks are
	 * under way */
	int64_t drive_busy;
	int64_t now;           /* taken once a step */
	bool user_code;        /* the holder may run inline user code in this step */
	bool worked;           /* something happened in this step */
	int64_t worked_at;     /* the last step in which something did */
	struct fy_wakes wakes; /* futures that completed in this step and that somebody waits for */
	struct fy_channel **channels; /* by rank, NULL until talked to */
	struct fy_channel *all;
	struct fy_channel *dirty;
	struct fy_channel *queued; /* channels with records in their queue */
	unsigned n_flying;         /* batches that MPI has */
	unsigned n_streams;        /* streams whose records wait for an acknowledgement */
	/* a lane kept a record in the last step because there was no room for it */
	bool drain_broke_off;
	bool flooded;       /* likewise: a lane's producer slept because there was no room in it */
	int64_t awaited_at; /* when an answer was last waited for, as far as the drain saw it */
	bool tainted; /* records were lost to malformed batches: counts do not match any more */
	unsigned n_pending; /* futures of posts that wait for acceptance */
	unsigned n_early;   /* batches that came before their turn, are paused, or homeless */
	int64_t idle_sleep; /* grows while nothing happens */
	bool napped;        /* the last sleep was short and nothing came of it */
	int64_t rung_at;    /* when a rank of this host last rang; 0: the message was found */
	size_t queued_bytes;
	/* bytes of long bodies that were released since posters were told, and by the last step */
	uint64_t freed, freed_seen;
	uint32_t first_seq;
	/* lanes */
	struct fy_lane *lanes; /* active ones */
	struct fy_lane *all_lanes;
	struct fy_lane *delisted; /* between fy_outgoing_delist and fy_outgoing_relist */
	/* batches */
	struct fy_batch *pool;
	unsigned n_pool;
	/* receives */
	struct fy_slot *slots, *slots_last; /* posted, oldest first */
	struct fy_slot *slot_all;           /* array */
	unsigned n_slots, n_posted;
	struct fy_slot *extra_slots;
	/* batches of ranks for whose channel there was no memory: again each step */
	struct fy_slot *homeless;
	struct fy_slot *unposted; /* MPI did not take them: again at the next step */
	unsigned n_failed;        /* of them ended with an error, so that what came may be lost */
	int64_t gaps_at;          /* then the next look for batches that are missing */
	unsigned n_telling;       /* channels whose peer is being told that it is given up */
	/* credit */
	uint64_t credit_first; /* the window that each pair starts with */
	uint64_t credit_pool;  /* what can still be lent */
	uint64_t window_max;
	/* transfers */
	uint64_t large_cap[2], large_used[2]; /* requests, replies */
	uint64_t large_stalled[2]; /* of what is used, by messages of which nothing came for long */
	uint64_t stalls;           /* how often that began */
	uint64_t large_seen;       /* engine->large_returned, as far as subtracted */
	/* for a grant, first come first served; [2]: need none */
	struct fy_inbound *waiting[3], *waiting_last[3];
	unsigned n_parked; /* announced, but not all lengths are here, in all channels */
	struct fy_inbound *landing, *landing_last; /* receives are posted; they take turns */
	size_t landing_bytes; /* in chunks that were posted and did not come yet */
	/* when the last chunk was asked for, and how long that took */
	int64_t landed_at, landing_took;
	uint64_t announcements; /* that came */
	uint64_t small_seen;    /* other records that had come by landed_at */
	unsigned n_out;         /* outbound transfers under way in all channels */
	unsigned n_chunks;      /* chunks that MPI has, of them and of those that come */
	size_t chunk_bytes;
	bool code_due; /* a message was not granted: where it lands is asked of the program */
	struct fy_chunk *chunks; /* free ones */
	char *sink;     /* where bytes go that nobody will read; NULL until there were some */
	bool sink_used; /* a receive has it */
	struct fy_blocks blocks; /* kept memory (block.c) */
	int tag_span;            /* tags of chunks: from 1 to this, the same on all ranks */
	/* handlers */
	struct fy_handler *direct[FY_OPS_DIRECT];
	struct fy_handler *hashed[FY_OPS_HASHED];
	struct fy_memory_handler *memory_handlers;
	ferry_message *view;
	char *reserve; /* what retaining a view falls back on */
	/* calls */
	struct fy_call *calls;
	uint32_t n_calls, calls_free, calls_free_last, calls_open, calls_max;
	/* inline work, in order */
	struct fy_task *tasks, *tasks_last;
	unsigned n_left; /* messages among them that a thread which may not run handlers left */
	ferry_message *replies, *replies_last; /* that could not be put yet */
	struct fy_command *commands, *commands_last;
	bool commands_press;     /* one of them waits for something else than an agreement */
	struct fy_timer *timers; /* a heap */
	size_t n_timers, timer_room;
	/* counts for agreements, by colour: user records put, and user records that came to their
	 * end here */
	uint64_t issued[2], done[2];
	unsigned colour; /* of what this rank's threads post now: changes when it joins a fence */
	unsigned batch_colour; /* of records without a tag in the batch that is dispatched */
	uint32_t tag; /* of what the inline handler posts that runs: 0 if it is of `colour` */
	uint64_t queued_of[2];  /* records in queues of channels, */
	uint64_t replies_of[2]; /* replies in `replies`, */
	uint64_t awaited_of[2]; /* futures of posts that left and are not confirmed, by colour */
	/* messages that executors got; engine->handled_elsewhere says how many are back */
	uint64_t given;
	struct fy_agree agree;
	struct fy_starts *starts; /* NULL until the first */
	int64_t mail_checked;
	struct fy_unread unread; /* what was dropped unread, for the line at the end */
	ferry_future *rooms;     /* of ferry_room; future->id is the rank */
	ferry_stats stats;
	/* close */
	bool closing;                  /* close has begun here */
	void (*close_look)(void *arg); /* what each step of a close looks at besides, or NULL */
	void *close_look_arg;
	bool byes;                         /* goodbyes are being exchanged */
	bool stopped;                      /* nothing is left to be done */
	bool drained;                      /* agreed: nothing is under way */
	bool finished;                     /* the port may be closed */
	int64_t cancelled_at, finished_at; /* when the receives were cancelled, last and first */
	bool clean;
	int64_t gone_since; /* when the first peer was found gone; 0: none */
	int64_t gave_up_at; /* when a close gave up for that; 0: it did not */
};

/* channel.c: records out */
struct fy_channel *fy_channel_open(struct fy_progress *p, int rank); /* NULL: no memory */
static inline struct fy_channel *fy_channel_get(struct fy_progress *p, int rank)
{
	struct fy_channel *ch = p->channels[rank];
	return fy_likely(ch) ? ch : fy_channel_open(p, rank);
}
/* Room for a record of `size` in the open batch, credit or not; NULL: no memory. */
struct fy_record *fy_channel_reserve_slow(struct fy_progress *p, struct fy_channel *ch,
                                          uint32_t size);
static inline struct fy_record *fy_channel_reserve(struct fy_progress *p, struct fy_channel *ch,
                                                   uint32_t size)
{
	if (fy_likely(ch->open && ch->on_dirty &&
	              size <= (size_t)(ch->open->bytes + FY_BATCH_BYTES - ch->fill)))
		return (struct fy_record *)(void *)ch->fill;
	return fy_channel_reserve_slow(p, ch, size);
}
static inline void fy_channel_commit(struct fy_progress *p, struct fy_channel *ch, uint32_t size)
{
	(void)p;
	ch->fill += size;
	ch->nrecords++;
}
/* May a request of `size` be put now? */
bool fy_channel_admits(struct fy_progress *p, struct fy_channel *ch, uint32_t size);
void fy_channel_spend(struct fy_channel *ch, uint32_t size);
void fy_channel_mark(struct fy_progress *p, struct fy_channel *ch);
void fy_channel_send_all(struct fy_progress *p);
void fy_channel_test_sends(struct fy_progress *p);
void fy_channel_accepted(struct fy_progress *p, struct fy_channel *ch,
                         const struct fy_batch_header *h);
void fy_channel_refused(struct fy_progress *p, struct fy_channel *ch, const struct fy_refused *r);
void fy_channel_stream_acked(struct fy_progress *p, struct fy_channel *ch,
                             const struct fy_ack_stream *ack);
void fy_channel_gone(struct fy_progress *p, struct fy_channel *ch, int status, const char *detail);
/* `detail` is copied; may be NULL. */
void fy_channel_note_failure(struct fy_channel *ch, uint32_t stream, int status,
                             const char *detail);
/* The first since the last look, or 0; its text, malloc'd or NULL, becomes the caller's. */
int fy_channel_take_failure(struct fy_channel *ch, uint32_t stream, char **detail_p);
/* That rank says that it has given us up. */
void fy_channel_given_up(struct fy_progress *p, struct fy_channel *ch);
/* The peer is to answer soon, with a batch that may have no records. */
void fy_channel_ask(struct fy_progress *p, struct fy_channel *ch);
uint64_t fy_channel_limit(const struct fy_channel *ch);
bool fy_channel_starved(const struct fy_progress *p);
/* Bytes of messages that came, or are coming, and are not freed. */
uint64_t fy_channel_held(const struct fy_progress *p);
void fy_channel_returned(struct fy_progress *p, struct fy_channel *ch, uint64_t bytes);
/* After a batch of it, which said that its sender is out of credit; `charged`: what it cost, if its
 * records are small. */
void fy_channel_grow_window(struct fy_progress *p, struct fy_channel *ch, bool hungry,
                            uint64_t charged);
void fy_channel_recalled(struct fy_progress *p, struct fy_channel *ch);
void fy_channel_given(struct fy_progress *p, struct fy_channel *ch, uint64_t amount);
void fy_channel_free_all(struct fy_progress *p);
/* Batches that are begun take nothing more: those that follow are of p->colour. */
void fy_channel_new_colour(struct fy_progress *p);
/* This future of a post waits for its confirmation. `stream` with a tag. */
static inline void fy_channel_await(struct fy_progress *p, ferry_future *future, uint32_t stream)
{
	future->extra = (void *)(uintptr_t)stream;
	future->next = NULL;
	p->awaited_of[fy_tag_bit(stream)]++;
}
/* The record number `number` of a stream was refused: its future, if it has one, ends
 * with `status`. */
void fy_channel_stream_fail(struct fy_progress *p, struct fy_channel *ch, uint32_t stream,
                            uint32_t number, int status, const char *detail);
struct fy_stream_out *fy_channel_stream_out(struct fy_progress *p, struct fy_channel *ch,
                                            uint32_t stream, bool create);
/* The next record of the open batch is to be counted: is there memory for that? */
bool fy_channel_stream_room(struct fy_channel *ch, struct fy_stream_out *s);
/* It was put there. */
static inline void fy_channel_stream_count(struct fy_stream_out *s)
{
	s->sent++;
	s->outstanding++;
	s->runs_last->count++;
}
/* Without anything outstanding it is as before: not counted. */
void fy_channel_stream_settle(struct fy_progress *p, struct fy_channel *ch,
                              struct fy_stream_out *s);
/* Where the next record of the open batch will be: its batch's number, and its own in the
 * lower half. */
static inline uint64_t fy_channel_place(const struct fy_channel *ch)
{
	return (uint64_t)(ch->seq_out + ch->n_ready) << 32 | ch->nrecords;
}

/* outgoing.c: from lanes to channels */
void fy_outgoing_drain(struct fy_progress *p);
/* Lanes that became active join the list. */
void fy_outgoing_list_lanes(struct fy_progress *p);
bool fy_outgoing_has_work(struct fy_progress *p);
/* Likewise, leaving out lanes that wait for room: another step does not move them. Whoever makes
 * room rings, or it is waited for by looking at what is under way. */
bool fy_outgoing_has_input(struct fy_progress *p);
/* Idle lanes leave the list; their threads put them there again. Followed by a process-wide barrier
 * and fy_outgoing_relist. */
void fy_outgoing_delist(struct fy_progress *p);
bool fy_outgoing_relist(struct fy_progress *p);
void fy_outgoing_queues(struct fy_progress *p);
bool fy_outgoing_replies(struct fy_progress *p);
bool fy_outgoing_reply(struct fy_progress *p, ferry_message *request);
bool fy_outgoing_reply_bytes(struct fy_progress *p, int rank, uint64_t call_id,
                             const struct fy_reply_error *error, const void *body, uint32_t nbytes,
                             uint32_t tag);
bool fy_outgoing_quiet(struct fy_progress *p);
/* Has everything of that colour left, as far as it was posted before the fence or by a handler that
 * has returned? */
bool fy_outgoing_has_left(struct fy_progress *p, unsigned colour);
/* A fence begins: what is posted from here on is of the other colour. */
void fy_outgoing_new_colour(struct fy_progress *p);
void fy_outgoing_mark_lanes(struct fy_progress *p);
/* A posted message was sent to that rank, or will not be: the post's reference of it. */
void fy_outgoing_release(struct fy_progress *p, int rank, ferry_message *message);
/* Once a step, while some were released of which posters were not told. */
void fy_outgoing_tell_freed(struct fy_progress *p);
void fy_outgoing_abandon(struct fy_progress *p, int status);
void fy_outgoing_fail_record(struct fy_progress *p, const struct fy_record *r, int status,
                             const char *detail);

/* call.c: calls that await their reply */
uint64_t fy_call_open(struct fy_progress *p, ferry_future *future, int rank); /* 0: no memory */
ferry_future *fy_call_close(struct fy_progress *p, uint64_t id, int rank);    /* NULL: not open */
ferry_future *fy_call_close_found(struct fy_progress *p, struct fy_call *c);
static inline struct fy_call *fy_call_find(struct fy_progress *p, uint64_t id, int rank)
{
	uint32_t i = (uint32_t)id - 1;
	if (i >= p->n_calls)
		return NULL;
	struct fy_call *c = &p->calls[i];
	return c->future && c->generation == id >> 32 && c->rank == rank ? c : NULL;
}
static inline ferry_future *fy_call_peek(struct fy_progress *p, uint64_t id, int rank)
{
	struct fy_call *c = fy_call_find(p, id, rank);
	return c ? c->future : NULL;
}
/* rank FERRY_ALL: every one */
void fy_call_fail(struct fy_progress *p, int rank, int status, const char *detail);

/* dispatch.c: records in */
bool fy_dispatch_receives(struct fy_progress *p);
int fy_dispatch_open(struct fy_progress *p);
/* Post the receives, when all ranks are there to stay. */
void fy_dispatch_begin(struct fy_progress *p);
/* Deliver a complete heap message to its handler or the mailbox; takes its reference over. */
void fy_dispatch_message(struct fy_progress *p, struct fy_channel *ch, ferry_message *message);
struct fy_handler *fy_dispatch_handler(const struct fy_progress *p, uint32_t op);
/* A call's reply is complete; takes its reference over. */
void fy_dispatch_reply(struct fy_progress *p, int rank, uint64_t call_id, ferry_message *reply,
                       unsigned colour);
/* The colour of a record in the batch that is dispatched. */
static inline unsigned fy_arrived_colour(const struct fy_progress *p, const struct fy_record *r)
{
	return fy_tag_colour(r->stream, p->batch_colour);
}
void fy_dispatch_release_held(struct fy_progress *p, struct fy_channel *ch,
                              struct fy_stream_in *stream);
void fy_dispatch_mail(struct fy_progress *p);
void fy_dispatch_drop_mail(struct fy_progress *p);
bool fy_dispatch_run_tasks(struct fy_progress *p);
void fy_dispatch_paused(struct fy_progress *p);
/* After receives that failed: is a batch missing? */
void fy_dispatch_look_for_gaps(struct fy_progress *p);
/* Something of a stream that cannot be delivered yet; NULL: no memory. */
struct fy_held *fy_dispatch_hold(struct fy_progress *p, struct fy_channel *ch, uint32_t stream,
                                 unsigned colour, ferry_message *m);
void fy_dispatch_close(struct fy_progress *p);
void fy_dispatch_free(struct fy_progress *p);
/* Register (or with fn NULL only unregister). `old_p` gets a reference of what was there, or NULL.
 * False: the mailbox was being read just now, again at the next step. */
bool fy_dispatch_set_handler(struct fy_progress *p, struct fy_handler *handler, uint32_t op,
                             struct fy_handler **old_p);
void fy_handler_release(struct fy_handler *handler);
/* How often this thread is inside of it, by way of an executor. */
uint32_t fy_handler_runs_here(const struct fy_handler *handler);
int fy_dispatch_set_memory(struct fy_progress *p, uint32_t op, ferry_memory_fn *fn, void *arg);
void fy_dispatch_defer(struct fy_progress *p, struct fy_task *task);

/* transfer.c: large messages */
/* Announce and start. False: no room now. `stream` may have a tag. */
bool fy_transfer_announce(struct fy_progress *p, struct fy_channel *ch, ferry_message *message,
                          uint32_t kind, uint32_t stream, uint64_t call_id, ferry_future *future);
/* Is there room for the announcement of this message? */
bool fy_transfer_admits(struct fy_progress *p, struct fy_channel *ch, const ferry_message *message);
/* An announcement came. 0, 1: no memory now, again later; FERRY_EDECODE. */
int fy_transfer_arrived(struct fy_progress *p, struct fy_channel *ch, const struct fy_record *r);
int fy_transfer_lengths(struct fy_progress *p, struct fy_channel *ch, const struct fy_record *r);
void fy_transfer_granted(struct fy_progress *p, struct fy_channel *ch, const struct fy_grant *g);
int fy_transfer_lost(struct fy_progress *p, struct fy_channel *ch, const struct fy_lost *lost);
/* Everything of that stream up to stream->acked is dealt with over there. */
void fy_transfer_acked(struct fy_stream_out *stream);
/* What is announced in records that were not believed ends with that status. False: some of its
 * data is on the way, or some of its lengths are missing, so that nothing behind it can be told
 * any more. */
bool fy_transfer_refused(struct fy_progress *p, struct fy_channel *ch, const struct fy_refused *r);
bool fy_transfer_step(struct fy_progress *p);
bool fy_transfer_put_grants(struct fy_progress *p, struct fy_channel *ch);
bool fy_transfer_quiet(const struct fy_progress *p);
void fy_transfer_channel_gone(struct fy_progress *p, struct fy_channel *ch);
bool fy_transfer_blocked(const struct fy_progress *p);
void fy_transfer_free(struct fy_progress *p);

/* The memory of a message is the program's again: from here its release functions run, which is
 * user code. */
void fy_transfer_release(struct fy_progress *p, ferry_message *message);

/* agree.c */
void fy_agree_join(struct fy_progress *p, uint32_t kind);
void fy_agree_up(struct fy_progress *p, struct fy_channel *ch, const struct fy_agree_word *w);
void fy_agree_down(struct fy_progress *p, struct fy_channel *ch, const struct fy_agree_word *w);
void fy_agree_hear(struct fy_progress *p, struct fy_channel *ch, const struct fy_agree_news *news);
void fy_agree_step(struct fy_progress *p);
/* A rank closes: no fence begins any more. FERRY_OK or FERRY_EINVAL. */
int fy_agree_refuses_fence(const struct fy_progress *p);
/* Whom a close waits for, as far as it is known here. */
void fy_agree_awaited(struct fy_progress *p, struct fy_awaited *list);
/* A rank is gone: a fence that is going on will not end. */
void fy_agree_give_up(struct fy_progress *p);

/* timer.c */
int fy_timer_add(struct fy_progress *p, int64_t when, ferry_future *future);
void fy_timer_run(struct fy_progress *p);
void fy_timer_free(struct fy_progress *p);

/* progress.c */
/* One step; true when something happened. `user_code`: inline handlers and callbacks may run. */
bool fy_progress_step(struct fy_progress *p, bool user_code);
/* The part of a step that only MPI can tell of, without user code. True: something came, and a step
 * is due. */
bool fy_progress_look(struct fy_progress *p);
/* Is there something to do that only who may run user code can do? */
static inline bool fy_progress_owes_code(const struct fy_progress *p)
{
	return p->tasks || p->code_due;
}
void fy_progress_set_patience(struct fy_progress *p);
/* Is there something to do that needs no network? */
bool fy_progress_has_input(struct fy_progress *p, bool user_code);
/* How long may the loop sleep before it has to look at the network again? */
int64_t fy_progress_sleep_time(struct fy_progress *p);
/* The thread's loop: until the engine has stopped. */
void fy_progress_loop(struct fy_progress *p);
/* Commands that wait for something end with `status`. */
void fy_progress_fail_commands(struct fy_progress *p, int status);
/* The helm's part of a close begins. */
void fy_progress_begin_close(struct fy_progress *p);

/* engine.c: an engine over any port, without a thread; `resolved` is taken over. */
int fy_engine_create(fy_port *port, ferry_options *resolved, uint32_t first_seq, ferry **engine_p);
/* The same in two parts. All that can fail on one rank alone is done in the first, which then tells
 * the others; the second waits for what they say. When it fails it does so on all ranks, nothing is
 * left of the engine, and the port is the caller's to close. `status`: what failed before, with the
 * thread's last error, or 0. */
struct fy_opening {
	fy_port *port;
	ferry *engine; /* NULL when this rank failed */
	int status;    /* this rank's */
	bool known;    /* all ranks know already that there will be no engine */
	char text[FY_SENTENCE];
};
void fy_engine_prepare(struct fy_opening *opening, fy_port *port, ferry_options *resolved,
                       uint32_t first_seq, int status);
int fy_engine_settle(struct fy_opening *opening, ferry **engine_p);
/* After progress->stopped: frees what the helm owns, closes the port. */
int fy_engine_destroy(ferry *engine);
/* When it is closed, and nobody says anything about it any more. */
void fy_engine_close_log(ferry *engine);

#endif
