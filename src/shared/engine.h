/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine as application threads see it: what a post, a wait or a release
 * needs, and nothing of the network. What only the holder of the helm touches
 * is behind `progress`.
 *
 * The struct outlives ferry_close while messages or executors of it are alive
 * (`refs`); `progress` does not.
 */
#ifndef FY_SHARED_ENGINE_H
#define FY_SHARED_ENGINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "base/inbox.h"
#include "base/order.h"
#include "shared/mailbox.h"
#include "shared/tally.h"
#include "shared/wake.h"

struct fy_account;
struct fy_lane;
struct fy_log;
struct fy_tasks;

#define FY_ENGINE_SLOTS 4
#define FY_CLOSE_TEXT 252

enum fy_phase { FY_OPEN, FY_CLOSING, FY_STOPPED };

struct ferry {
	uint64_t serial; /* constant, never reused: lanes are found by it, never by the address */
	int rank, size;  /* constant */
	ferry_options options; /* constant: what was resolved */
	/* per rank: 1 when posts to it must wait. Written by the helm (release), read by posters
	 * (relaxed: a stale value costs one record in a channel's queue, no more) */
	uint8_t *full;
	/* per rank, in units of 1 KiB: its part of `bodies`. Raised after that and lowered
	 * before it, by the same (atomic add), read by both (acquire): who sees it too low lets
	 * one more pass */
	uint32_t *bodies_to;
	/* enum fy_phase: written by close and by the helm (release), read by all (acquire) */
	uint32_t phase;
	uint32_t refs; /* atomic add */
	int status;    /* why it is finished; written by the helm before phase becomes FY_STOPPED */
	struct fy_wake wake;

	/* The helm: the right to touch `progress` and to call MPI; its values are in helm.c. Taken
	 * by compare-and-swap or swap, given back likewise. */
	FY_ALIGNED uint32_t helm;
	uint32_t drivers; /* threads that wait and take turns at the helm: atomic add */
	/* 1 while the progress thread sleeps or is about to: written by it (release), read by who
	 * drives (acquire) */
	uint32_t asleep;
	uint32_t napping; /* 1 while that sleep is a nap (wake.h): likewise, before `asleep` */

	/* Inboxes of the helm: lock-free stacks, pushed by any thread, emptied by the helm. */
	FY_ALIGNED fy_inbox lanes; /* lanes that became active */
	fy_inbox commands;         /* struct fy_command */
	fy_inbox replies;          /* messages sent as replies by other threads */
	fy_inbox tasks;            /* callbacks for FERRY_INLINE, from other threads */
	fy_inbox accounts;         /* struct fy_account with returned credit */
	fy_inbox blocks;           /* memory of large messages that was given back, see block.c */

	/* in blocks that are kept, there and in progress->blocks: atomic add */
	uint64_t block_bytes;
	/* bytes of large messages that were freed or taken out: atomic add, read by the helm */
	uint64_t large_returned;
	/* handlers that returned on executors, by the colour of the message: atomic add, read by
	 * the helm */
	uint64_t handled_elsewhere[2];
	/* futex: bumped by whoever gives room, at a rank that was full or in
	 * send_memory (fy_room_tell) */
	uint32_t room;
	uint32_t room_waiting; /* posters that wait for it: atomic add */
	/* bytes of long bodies that were posted and are not sent yet: raised by posters
	 * (compare-and-swap), lowered by the helm, or when the post fails after all by its
	 * poster (atomic add, which is what the fence of those who wait pairs with), read by
	 * both (acquire) */
	uint64_t bodies;
	uint32_t next_stream; /* atomic add */
	/* statistics: atomic add by posters that had to wait; also read by threads that begin to
	 * wait for a future (relaxed: a hint, nothing is read behind it) */
	uint64_t lane_full;
	uint64_t lends; /* statistics: atomic add */
	/* how often a thread that had not flooded began to wait for a future: atomic add by it,
	 * read by posters (relaxed: a hint, nothing is read behind it) */
	uint64_t waits;
	/* futures of starts that were cancelled or timed out: atomic add, read by the helm */
	uint32_t starts_given_up;

	bool lendable;    /* constant: threads that wait may drive beside the progress thread */
	uint32_t closed;  /* futex: set by the progress thread (release) when everything is freed */
	int close_status; /* written before `closed` */
	/* likewise: its sentence, "" where there is no particular one */
	char close_text[FY_CLOSE_TEXT];
	/* set together with the phase FY_STOPPED: what handlers that wait for room look at */
	uint32_t stopped;
	/* set by close (release) after its last look at the lanes, read by who posts late, leaves
	 * or makes a message (acquire) */
	uint32_t abandoned;
	ferry_stats last_stats; /* after close, for tests */
	ferry *next_shell;      /* in the list of closed engines, under its lock */
	bool is_unseen;         /* its open failed: no thread but the opening one ever had it */
	ferry_future *fence;    /* under aside: a fence that has not ended yet */
	bool fencing;           /* under aside: a thread is inside ferry_fence */
	struct fy_mailbox mailbox;
	/* What the holder of the helm owns: fy_progress_of (helm/progress.h). Set when the engine
	 * is made, and so are the two behind it, which point into it and are not looked at once
	 * the engine has ended. Only the holder of the helm reads or writes what they point to. */
	void *progress;
	struct fy_tasks *deferred;  /* inline work, in order */
	const uint32_t *inline_tag; /* of what inline code posts that runs now */
	struct fy_log *log;
	/* what only the helm can do with a message, for fy_message_keep and fy_message_send_answer:
	 * set by engine/ when it is made, constant */
	void (*keep_view)(ferry_message *view);
	void (*send_answer)(ferry_message *request);
	/* rare things of application threads: promises, slots; never taken by the helm while
	 * it steps */
	pthread_mutex_t aside;
	ferry_future *promises; /* under aside */
	/* per-engine state of the msgpack layer, by the function that frees it; under aside */
	void *slots[FY_ENGINE_SLOTS];
	void (*slot_free[FY_ENGINE_SLOTS])(void *);
	struct fy_account *account_list;      /* the helm's; freed with the struct */
	struct fy_tally *tallies[FY_TALLIES]; /* likewise, by hash of the op */
	uint32_t n_tallies;                   /* the helm's */
	/* what the holder of the helm runs: an op whose inline handler runs, or FY_INSIDE_...:
	 * written by it (relaxed), read by a close that waits (relaxed: a hint) */
	uint32_t inside;
	/* since when the thread in ferry_close runs queues, or 0: written by it (relaxed), read by
	 * the helm of a close (relaxed: a hint) */
	uint64_t draining;
	/* set by executors (release) when a message went back to the mailbox, cleared by
	 * the helm */
	uint32_t mail_rescan;
	uint32_t ferry_recv_threads; /* threads inside ferry_recv: atomic add */
	/* threads inside waiting calls: atomic add; close waits for zero. Last: it is not cleared
	 * when the struct is used again, a late waiter may be looking in */
	uint64_t guests;
};

#define FY_INSIDE_NOTHING 0xFFFFFFFFu
#define FY_INSIDE_CALLBACK 0xFFFFFFFEu
#define FY_INSIDE_END 0xFFFFFFFDu /* the engine is taken apart */

/* Flags of engine futures, beside those of future/future.h. */
#define FY_FUTURE_IS_FLUSH 0x100u

void fy_engine_retain(ferry *engine);
void fy_engine_release(ferry *engine);
/* A reference for who has none to begin with. False: the last one is gone, and what belongs to the
 * struct with it. */
bool fy_engine_try_retain(ferry *engine);
/* Likewise of this engine, or else of one that has ended and never goes away. */
ferry *fy_engine_retain_or_ended(ferry *engine);

/* Between these the engine does not go away; false: it has stopped. */
bool fy_engine_enter(ferry *engine);
void fy_engine_leave(ferry *engine);

/* The phase FY_STOPPED begins. */
void fy_engine_set_stopped(ferry *engine);

static inline uint64_t fy_engine_handled(ferry *engine)
{
	return fy_load_acquire_64(&engine->handled_elsewhere[0]) +
	       fy_load_acquire_64(&engine->handled_elsewhere[1]);
}

/* Any message to the helm was put into an inbox: wake it. */
static inline void fy_engine_notify(ferry *engine)
{
	fy_wake_check(&engine->wake);
}

void **fy_engine_slot(ferry *engine, void (*free_fn)(void *slot));
/* When it is closed, and nobody says anything about it any more. */
void fy_engine_close_log(ferry *engine);

#endif
