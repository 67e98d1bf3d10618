/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine as application threads see it: what a post, a wait or a release
 * needs, and nothing of the network. What only the holder of the helm touches
 * is behind `progress` (progress.h).
 *
 * The struct outlives ferry_close while messages or executors of it are alive
 * (`refs`); `progress` does not.
 */
#ifndef FY_ENGINE_H
#define FY_ENGINE_H

#include <pthread.h>

#include "ferry.h"
#include "lane.h"
#include "mailbox.h"
#include "task.h"
#include "wake.h"

struct fy_progress;
struct fy_log;

/* Memory of received messages that goes back to a peer's credit when the
 * program frees it. One a peer that was ever talked to; lives as long as the engine struct. */
struct fy_account {
	uint64_t returned; /* bytes: atomic add by whoever frees, read by the helm */
	uint32_t dirty;    /* 1 while on engine->accounts: set by swap, cleared by the helm */
	int rank;          /* constant */
	uint64_t seen;     /* the helm's: as far as it was given back to the channel */
	ck_stack_entry_t entry;
	struct fy_account *next; /* engine->account_list */
};

/* Received messages of one op, for what people are told. One an op; lives as long as the
 * engine struct. */
struct fy_tally {
	struct fy_tally *next;
	uint32_t op;          /* constant; FERRY_ANY_OP: all those for which there is no other */
	bool told;            /* the helm's: that nobody takes them */
	uint64_t kept, asked; /* the helm's: messages that were kept, and requests among them */
	uint64_t unread;      /* the helm's, while it counts */
	/* of these were freed: atomic add by whoever frees, read by the helm */
	uint64_t freed, answered;
};
#define FY_TALLIES 64u

/* Messages that nobody reads: how many of which op from whom. */
#define FY_UNREAD_NAMED 6u
struct fy_unread_of {
	uint32_t op;
	int source;
	uint64_t count;
};
struct fy_unread {
	uint64_t count;
	unsigned n;
	struct fy_unread_of some[FY_UNREAD_NAMED];
};

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
	FY_ALIGNED ck_stack_t lanes; /* lanes that became active */
	ck_stack_t commands;         /* struct fy_command */
	ck_stack_t replies;          /* messages sent as replies by other threads */
	ck_stack_t tasks;            /* callbacks for FERRY_INLINE, from other threads */
	ck_stack_t accounts;         /* struct fy_account with returned credit */
	ck_stack_t blocks;           /* memory of large messages that was given back, see block.c */

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
	struct fy_progress *progress; /* the helm's */
	struct fy_log *log;
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

#define FY_BODY_UNIT_SHIFT 10 /* of bodies_to */

static inline uint32_t fy_body_units(size_t nbytes)
{
	return (uint32_t)((nbytes + (1u << FY_BODY_UNIT_SHIFT) - 1) >> FY_BODY_UNIT_SHIFT);
}

/*
 * Long bodies that were posted and are not sent yet. While `held` bytes are, is there no room for
 * another to this rank? Each may hold as much as is left over: one slow rank has half of
 * send_memory, two have a third each, and there is always something left for the others. The last
 * one that passes may be of any size.
 */
static inline bool fy_bodies_full_at(const ferry *e, int rank, uint64_t held)
{
	uint64_t its = (uint64_t)fy_load_acquire_32(&e->bodies_to[rank]) << FY_BODY_UNIT_SHIFT;
	return held + its >= e->options.send_memory;
}
static inline bool fy_bodies_full(const ferry *e, int rank)
{
	return fy_bodies_full_at(e, rank, fy_load_acquire_64(&e->bodies));
}

static inline void fy_bodies_lower(ferry *e, int rank, size_t nbytes)
{
	fy_add_32(&e->bodies_to[rank], -fy_body_units(nbytes));
	fy_add_64(&e->bodies, -(uint64_t)nbytes);
}

/* Posters that wait for room look again. A full fence (the read-modify-write) stands between what
 * gave room and the look at who waits; a waiter counts itself, fences, and looks for room. */
static inline void fy_room_tell(ferry *e)
{
	fy_add_32(&e->room, 1);
	if (fy_load_acquire_32(&e->room_waiting))
		fy_futex_wake(&e->room, 1 << 30, false);
}

#define FY_INSIDE_NOTHING 0xFFFFFFFFu
#define FY_INSIDE_CALLBACK 0xFFFFFFFEu
#define FY_INSIDE_END 0xFFFFFFFDu /* the engine is taken apart */

/* A request to the helm from another thread, which waits for it. `run` is called between
 * steps' phases; it returns false to be asked again at the next step. */
struct fy_command {
	bool (*run)(struct fy_progress *progress, struct fy_command *command);
	void *arg;
	int status;
	bool patient;  /* set by run, with false: it waits for the agreement that is going on */
	uint32_t done; /* futex: 0, then 1 by the helm (release), read by the waiter (acquire) */
	struct fy_command *next;
	ck_stack_entry_t entry;
};
/* Run a command by the helm and wait for it; from inline code it runs at once. */
int fy_engine_command(ferry *engine, struct fy_command *command);

void fy_engine_retain(ferry *engine);
void fy_engine_release(ferry *engine);
/* A reference for who has none to begin with. False: the last one is gone, and what belongs to the
 * struct with it. */
bool fy_engine_try_retain(ferry *engine);
/* Likewise of this engine, or else of one that has ended and never goes away. */
ferry *fy_engine_retain_or_ended(ferry *engine);
/* Likewise for the frequent messages of a thread: its lane has some references in stock, so that
 * threads do not meet at the engine's word for every call. What a lane has is its thread's alone,
 * and goes back with the lane, together with the one of the lane itself. */
void fy_engine_retain_near(struct fy_lane *lane);
void fy_engine_release_near(ferry *engine);
void fy_engine_return_refs(struct fy_lane *lane);
/* Lanes of engines that have closed: this thread forgets its own. */
void fy_engine_forget_lanes(void);

/* What this thread is doing for an engine: a step, a handler that an executor runs, inline user
 * code. One of a kind at a time counts, the innermost: begin returns the engine of the one around
 * it, which the end is given. */
enum fy_doing { FY_STEPPING, FY_HANDLING, FY_INLINE, FY_DOINGS };
ferry *fy_engine_begin(enum fy_doing what, ferry *engine);
void fy_engine_end(enum fy_doing what, ferry *before);
bool fy_engine_is_stepping(const ferry *engine);
bool fy_engine_in_handler(const ferry *engine);
/* Inline user code of this engine, or of any: NULL. */
bool fy_engine_on_progress(const ferry *engine);

/* The lane that this thread used last. */
struct fy_recent {
	uint64_t serial;
	struct fy_lane *lane;
};
extern _Thread_local struct fy_recent fy_recent __attribute__((tls_model("initial-exec")));

/* Between these the engine does not go away; false: it has stopped. */
bool fy_engine_enter(ferry *engine);
void fy_engine_leave(ferry *engine);
/* A thread that waits lends a hand, as far as the engine allows it; it then sleeps on what it
 * waits for. */
void fy_engine_help(ferry *engine, bool (*ready)(const void *arg), const void *arg, int64_t until);

/* The phase FY_STOPPED begins. */
void fy_engine_set_stopped(ferry *engine);
/* When a close that began then looks again at queues that nobody runs: soon at first,
 * later seldom. */
int64_t fy_close_look(int64_t begun);

/* Without a thread: go on with a close. `look` is called now and then, with the helm. */
void fy_engine_step_close(ferry *engine, void (*look)(void *arg), void *arg);
/* Hand a command over without waiting for it: it lives until it is done, or the engine
 * is closed. */
void fy_engine_command_begin(ferry *engine, struct fy_command *command);
/* Threads that wait for room look again. */
void fy_engine_nudge(ferry *engine);

/* The tag that what this thread posts to the engine has: that of the handler that it is in,
 * or 0. */
uint32_t fy_tag_here(const ferry *engine);
/* From now on it has this one. Returns what was. */
uint32_t fy_engine_tag_posts(ferry *engine, uint32_t tag);
uint32_t fy_lane_tag_posts(struct fy_lane *lane, uint32_t tag);
static inline uint64_t fy_engine_handled(ferry *engine)
{
	return fy_load_acquire_64(&engine->handled_elsewhere[0]) +
	       fy_load_acquire_64(&engine->handled_elsewhere[1]);
}

/* This thread's lane, made at the first call. NULL: no memory, or the engine is gone. */
struct fy_lane *fy_engine_lane(ferry *engine);
/* A lane for a virtual thread, in simulations. */
struct fy_lane *fy_engine_lane_create(ferry *engine);
/* The engine has stopped: wait until it looked at the lanes for the last time; if this one was
 * unknown to it, it is nobody's but its thread's. */
void fy_engine_lane_orphaned(ferry *engine, struct fy_lane *lane);
/* The lane's thread exits, in two steps: nothing more will come, which the helm may find out at
 * once; and whoever is left is told. The helm, a close and the thread may be the one that ends the
 * engine's part in the lane, in any order. */
void fy_engine_lane_leaves(ferry *engine, struct fy_lane *lane);
void fy_engine_lane_left(ferry *engine, struct fy_lane *lane);
/* Posters put their lane where the helm finds it. */
void fy_engine_list_lane(ferry *engine, struct fy_lane *lane);

/* Take, try and give back the helm. */
bool fy_helm_try(ferry *engine);
void fy_helm_take(ferry *engine);
void fy_helm_give(ferry *engine);
/* The progress thread, which could not have the helm: sleep a while if threads that wait drive.
 * False: none does. */
bool fy_helm_stand_by(ferry *engine, int64_t nap);

/* Drive the engine on behalf of a waiting thread until *word != expected, or
 * nothing more can be done by it. May do nothing. */
void fy_engine_drive(ferry *engine, bool (*ready)(const void *arg), const void *arg, int64_t until);
/* One look, by a thread that will soon drive. True: until then nobody wakes the progress thread; if
 * the thread does not, that one's nap ends by itself. */
bool fy_engine_steer(ferry *engine, bool (*ready)(const void *arg), const void *arg);

/* Any message to the helm was put into an inbox: wake it. */
static inline void fy_engine_notify(ferry *engine)
{
	fy_wake_check(&engine->wake);
}

/* post.c: what ferry_post and its kin are made of; `lane` may be another than this thread's. */
struct fy_post {
	ferry *engine;
	struct fy_lane *lane;
	uint32_t kind; /* FY_KIND_POST or FY_KIND_CALL */
	int rank;
	uint32_t op;
	const void *body;
	size_t nbytes;
	ferry_message *message; /* instead of body */
	int64_t timeout;
	uint32_t flags; /* more FY_FUTURE_* for its future */
};
int fy_post(const struct fy_post *post, ferry_future **future_p);
/* This thread waits for a future. */
void fy_post_waits(struct fy_lane *lane);
/* Do others post to this engine without a pause while this thread waits for answers? */
bool fy_post_is_beside_floods(const ferry *engine);
/* A record to the helm itself: flush of all ranks, with a future. */
int fy_post_flush(ferry *engine, struct fy_lane *lane, int rank, int64_t timeout,
                  ferry_future **future_p);
/* A record to the helm itself: FY_OP_START, its body copied; `flags`: more FY_FUTURE_* for
 * its future. */
int fy_post_start(ferry *engine, const void *body, size_t nbytes, uint32_t flags,
                  ferry_future **future_p);
/* Likewise in two parts, where that goes without waiting: the place of the record's body, which the
 * caller fills in between, or NULL: not now. */
void *fy_post_start_begin(ferry *engine, size_t nbytes, ferry_future **future_p);
int fy_post_start_end(ferry *engine, size_t nbytes, ferry_future *future, ferry_future **future_p);

/* The library's own ops. */
#define FY_OP_FLUSH 0xFFFFFF01u     /* delivered like any post, then forgotten */
#define FY_OP_FLUSH_ALL 0xFFFFFF02u /* lanes only */
#define FY_OP_START 0xFFFFFF03u     /* lanes only: an operation of MPI, see mpi_start.h */
#define FY_OP_ACK_STREAM 0xFFFFFF10u
#define FY_OP_REFUSED 0xFFFFFF11u
#define FY_OP_GRANT 0xFFFFFF12u
#define FY_OP_LENGTHS 0xFFFFFF13u
#define FY_OP_AGREE_UP 0xFFFFFF14u
#define FY_OP_AGREE_DOWN 0xFFFFFF15u
#define FY_OP_RECALL 0xFFFFFF16u
#define FY_OP_GIVE 0xFFFFFF17u
#define FY_OP_LOST 0xFFFFFF18u
#define FY_OP_AGREE_NEWS 0xFFFFFF19u

/* Flags of engine futures, beside those of future.h. */
#define FY_FUTURE_IS_FLUSH 0x100u

#endif
