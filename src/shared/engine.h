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
#include "shared/habit.h"
#include "shared/room.h"
#include "shared/shell.h"

struct fy_account;
struct fy_log;
struct fy_tasks;

#define FY_ENGINE_SLOTS 4
#define FY_CLOSE_TEXT 252

enum fy_phase { FY_OPEN, FY_CLOSING, FY_STOPPED };

/* The helm, who waits for it, and whether the progress thread sleeps. */
struct fy_at_helm {
	/* The helm: the right to touch `progress` and to call MPI; its values are in helm.c. Taken
	 * by compare-and-swap or swap, given back likewise. */
	uint32_t word;
	uint32_t drivers; /* threads that wait and take turns at the helm: atomic add */
	/* 1 while the progress thread sleeps or is about to: written by it (release), read by who
	 * drives (acquire) */
	uint32_t asleep;
	uint32_t napping; /* 1 while that sleep is a nap (wake.h): likewise, before `asleep` */
};

/* Lock-free stacks, pushed by any thread, emptied by the helm. */
struct fy_inboxes {
	/* Inboxes of the helm: lock-free stacks, pushed by any thread, emptied by the helm. */
	fy_inbox lanes;    /* lanes that became active */
	fy_inbox commands; /* struct fy_command */
	fy_inbox replies;  /* messages sent as replies by other threads */
	fy_inbox tasks;    /* callbacks for FERRY_INLINE, from other threads */
	fy_inbox accounts; /* struct fy_account with returned credit */
	fy_inbox blocks;   /* memory of large messages that was given back, see block.c */
};

/* What threads tell the helm by counting. */
struct fy_told {
	/* in blocks that are kept, there and in bulk->blocks: atomic add */
	uint64_t block_bytes;
	/* bytes of large messages that were freed or taken out: atomic add, read by the helm */
	uint64_t large_returned;
	/* handlers that returned on executors, by the colour of the message: atomic add, read by
	 * the helm */
	uint64_t handled_elsewhere[2];
	/* futures of starts that were cancelled or timed out: atomic add, read by the helm */
	uint32_t starts_given_up;
};

/* Counters that other threads than the helm raise, and all of them as they were at the close. */
struct fy_totals {
	uint64_t lends;   /* statistics: atomic add */
	ferry_stats last; /* after close, for tests */
};

/* How far a close is, what it waits for, and what came of it. */
struct fy_ending {
	uint32_t closed; /* futex: set by the progress thread (release) when everything is freed */
	int status;      /* written before `closed` */
	/* likewise: its sentence, "" where there is no particular one */
	char text[FY_CLOSE_TEXT];
	/* set together with the phase FY_STOPPED: what handlers that wait for room look at */
	uint32_t stopped;
	/* set by close (release) after its last look at the lanes, read by who posts late, leaves
	 * or makes a message (acquire) */
	uint32_t abandoned;
	/* what the holder of the helm runs: an op whose inline handler runs, or FY_INSIDE_...:
	 * written by it (relaxed), read by a close that waits (relaxed: a hint) */
	uint32_t inside;
	/* since when the thread in ferry_close runs queues, or 0: written by it (relaxed), read by
	 * the helm of a close (relaxed: a hint) */
	uint64_t draining;
};

/* Rare things of application threads, under one lock, which the helm does not take while it
 * steps. */
struct fy_aside {
	ferry_future *fence; /* a fence that has not ended yet */
	bool fencing;        /* a thread is inside ferry_fence */
	pthread_mutex_t lock;
	ferry_future *promises;
	/* per-engine state of the msgpack layer, by the function that frees it */
	void *slots[FY_ENGINE_SLOTS];
	void (*slot_free[FY_ENGINE_SLOTS])(void *);
};

/* What the holder of the helm shows to who is below it, and does for them. */
struct fy_helm_side {
	struct fy_tasks *deferred;  /* inline work, in order */
	const uint32_t *inline_tag; /* of what inline code posts that runs now */
	/* what only the helm can do with a message, for fy_message_keep and fy_message_send_answer:
	 * set by engine/ when it is made, constant */
	void (*keep_view)(ferry_message *view);
	void (*send_answer)(ferry_message *request);
};

struct ferry {
	uint64_t serial; /* constant, never reused: lanes are found by it, never by the address */
	int rank, size;  /* constant */
	ferry_options options; /* constant: what was resolved */
	/* per rank: 1 when posts to it must wait. Written by the helm (release), read by posters
	 * (relaxed: a stale value costs one record in a channel's queue, no more) */
	uint8_t *full;
	/* enum fy_phase: written by close and by the helm (release), read by all (acquire) */
	uint32_t phase;
	uint32_t refs; /* atomic add */
	int status;    /* why it is finished; written by the helm before phase becomes FY_STOPPED */
	struct fy_wake wake;
	FY_ALIGNED struct fy_at_helm at_helm;
	FY_ALIGNED struct fy_inboxes inboxes;
	struct fy_told told;
	struct fy_room room;
	uint32_t next_stream; /* atomic add */
	struct fy_pressure pressure;
	struct fy_totals totals;
	bool lendable; /* constant: threads that wait may drive beside the progress thread */
	struct fy_ending end;
	struct fy_shelf shelf;
	struct fy_aside aside;
	struct fy_mailbox mailbox;
	/* What the holder of the helm owns: fy_progress_of (helm/progress.h). Set when the engine
	 * is made, and so are the two behind it, which point into it and are not looked at once
	 * the engine has ended. Only the holder of the helm reads or writes what they point to. */
	void *progress;
	struct fy_helm_side helm_side;
	struct fy_log *log;
	struct fy_account *account_list; /* the helm's; freed with the struct */
	struct fy_tallies tallies;
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
	return fy_load_acquire_64(&engine->told.handled_elsewhere[0]) +
	       fy_load_acquire_64(&engine->told.handled_elsewhere[1]);
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
