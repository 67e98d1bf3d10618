/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine as application threads see it: what a post, a wait or a release needs, and nothing of
 * the network. Any thread. What only the holder of the helm touches is behind `progress`.
 *
 * The struct outlives ferry_close while messages, lanes or executors of it are alive (`refs`);
 * `progress` does not.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "base/inbox.h"
#include "base/order.h"
#include "shared/ending.h"
#include "shared/mailbox.h"
#include "shared/policy_table.h"
#include "shared/seats.h"
#include "shared/tally.h"
#include "shared/wake.h"
#include "shared/habit.h"
#include "shared/room.h"
#include "shared/shown.h"
#include "shared/shell.h"

struct fy_account;
struct fy_log;
struct fy_tasks;
struct fy_trace;

#define FY_ENGINE_SLOTS 4

enum fy_phase { FY_OPEN, FY_CLOSING, FY_STOPPED };

/* The helm, the threads that drive, and whether the progress thread sleeps. */
struct fy_at_helm {
	/* The helm: the right to touch `progress` and to call MPI. helm.c has its values. Taken by
	 * any thread (compare-and-swap or swap), given back by its holder (swap) */
	uint32_t word;
	uint32_t drivers; /* threads that wait and take turns at the helm: atomic add by them */
	/* 1 while the progress thread sleeps or is about to: written by that thread (release), read
	 * by drivers (acquire) */
	uint32_t asleep;
	/* 1 while that sleep is a nap (wake.h): written and read as `asleep`, and before it */
	uint32_t napping;
	bool lendable; /* constant: threads that wait may drive beside the progress thread */
};

/* Inboxes of the helm: any thread puts in, the helm takes out. */
struct fy_inboxes {
	fy_inbox lanes;    /* lanes that became active */
	fy_inbox commands; /* struct fy_command */
	fy_inbox replies;  /* messages sent as replies by other threads */
	fy_inbox tasks;    /* callbacks for FERRY_INLINE, from other threads */
	fy_inbox accounts; /* struct fy_account with returned credit */
	fy_inbox blocks;   /* memory of large messages that was given back, see block.h */
};

/* What threads tell the helm by counting. */
struct fy_told {
	/* bytes in kept blocks, those in inboxes.blocks included: atomic add by threads that free
	 * and by the helm */
	uint64_t block_bytes;
	/* bytes of large messages that were freed or taken out: atomic add by the threads that do
	 * it, read by the helm */
	uint64_t large_returned;
	/* handlers that returned on executors, by the colour of the message: atomic add by their
	 * threads, read by the helm */
	uint64_t handled_elsewhere[2];
	/* futures of starts that were cancelled or timed out: atomic add by the threads that do it,
	 * read by the helm */
	uint32_t starts_given_up;
};

/* For who finds out whether the job is stuck. */
struct fy_stillness {
	/* ns: so long nothing has moved here while something is open; 0: it moves. The helper's */
	int64_t still;
	bool asks; /* this rank asks the others. The helper's */
	/* when (ns) another rank, and a lower one, asked how this one is: written with the helm
	 * (relaxed), read by the helper (relaxed: who misses it asks once more) */
	uint64_t asked_at, asked_by_lower_at;
};

/* A counter that drivers raise, the statistics as they were shown, and at the close, and how long
 * nothing has moved. */
struct fy_totals {
	struct fy_shown shown;
	uint64_t lends;   /* statistics: written with the helm (release), read by all (acquire) */
	ferry_stats last; /* after the close, for tests */
	struct fy_stillness stillness;
};

/* Rare things of application threads, under `lock`. The helm takes it only to free a counter. */
struct fy_aside {
	ferry_future *fence; /* a fence that timed out and has not ended yet */
	bool fencing;        /* a thread is inside ferry_fence */
	pthread_mutex_t lock;
	ferry_future *promises;
	ferry_counter *counters;      /* those that somebody waited for (counter.h) */
	void *slots[FY_ENGINE_SLOTS]; /* of codec/ and unidist/, found by what frees them */
	void (*slot_free[FY_ENGINE_SLOTS])(void *);
};

/* What folders below helm/ need of the helm. Constant once the engine is made. */
struct fy_helm_side {
	struct fy_tasks *deferred;  /* inline work, in order; the helm's */
	const uint32_t *inline_tag; /* the tag of what inline code posts; the helm's */
	struct fy_trace *trace;     /* or NULL; lives as long as the engine's struct is used */
	/* what only the helm can do with a message, for fy_message_keep and
	 * fy_message_send_answer */
	void (*keep_view)(ferry_message *view);
	void (*send_answer)(ferry_message *request);
};

struct ferry {
	uint64_t serial; /* constant, never reused: lanes are found by it, never by the address */
	int rank, size;  /* constant */
	ferry_options options; /* constant: what was resolved */
	/* by rank: 0: posts pass; 1: they must wait; 2: the rank is gone. Written by the helm
	 * (release), read by posters (relaxed or acquire: a stale 0 puts one more record into a
	 * channel's queue) */
	uint8_t *full;
	/* enum fy_phase: written by a close and by the helm (release), read by all (acquire) */
	uint32_t phase;
	uint32_t refs; /* atomic add by all holders */
	int status;    /* why it stopped; written by the helm before phase becomes FY_STOPPED */
	struct fy_wake wake;
	FY_ALIGNED struct fy_at_helm at_helm;
	FY_ALIGNED struct fy_inboxes inboxes;
	struct fy_told told;
	struct fy_room room;
	struct fy_numbers numbers;
	struct fy_pressure pressure;
	struct fy_totals totals;
	struct fy_ending end;
	struct fy_shelf shelf;
	struct fy_policy policy; /* constant: resolved when the engine was opened */
	struct fy_aside aside;
	struct fy_mailbox mailbox;
	/* What the helm owns: fy_progress_of (helm/progress.h). Set when the engine is made, as is
	 * helm_side, which points into it. Only the holder of the helm looks behind these pointers,
	 * and nobody does once the engine has ended. */
	void *progress;
	struct fy_helm_side helm_side;
	struct fy_log *log;
	struct fy_account *account_list; /* the helm's; freed with the struct */
	struct fy_tallies tallies;
	/* threads inside calls that wait: atomic add by them; a close waits for 0. The last member,
	 * because it is not cleared when the struct is used again: a late thread may be inside */
	uint64_t guests;
};

/* Flags of engine futures, beside those of future/future.h. */
#define FY_FUTURE_IS_FLUSH 0x200u

void fy_engine_retain(ferry *engine);
void fy_engine_release(ferry *engine);
/* A reference for a caller that has none. False: the last one was dropped, and what belonged to the
 * struct is freed. */
bool fy_engine_try_retain(ferry *engine);
/* A reference of this engine, or else of a constant one that has ended and is never freed. */
ferry *fy_engine_retain_or_ended(ferry *engine);

/* Between these two the engine does not end. False: it has stopped; then do not call leave. */
bool fy_engine_enter(ferry *engine);
void fy_engine_leave(ferry *engine);

/* 0: it is a rank of the job; else FERRY_EINVAL, with a sentence from `what` to `or_else`. */
int fy_engine_check_rank(const ferry *engine, const char *what, int rank, const char *or_else);
/* The phase FY_STOPPED begins. */
void fy_engine_set_stopped(ferry *engine);
static inline bool fy_engine_has_stopped(const ferry *engine)
{
	return fy_load_acquire_32(&engine->phase) == FY_STOPPED;
}

/* Handlers that returned on executors. */
uint64_t fy_engine_handled(const ferry *engine);

/* To the helm's counters, add those that other threads count. */
void fy_engine_add_totals(const ferry *engine, ferry_stats *stats);

/* After something was put into an inbox of the helm: wake the progress thread. */
static inline void fy_engine_notify(ferry *engine)
{
	fy_wake_check(&engine->wake);
}

void **fy_engine_slot(ferry *engine, void (*free_fn)(void *slot));
/* When the engine is closed, and nobody says anything about it any more. */
void fy_engine_close_log(ferry *engine);
