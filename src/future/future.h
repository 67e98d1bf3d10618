/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futures, as the rest of the library sees them. See future.c for the invariants and ferry.h for
 * what programs see. Any thread.
 *
 * A future is *completed* by whoever wins its claim: the engine (ack, reply, failure), a cancel, a
 * deadline, a promise's fulfilment. There are two steps, so that the winner can write the result
 * between them and nobody sees half of it:
 *
 *     if (fy_future_claim(f)) {            // one atomic step: exactly one wins
 *             f->detail = ...;
 *             fy_future_finish(f, status); // publishes, wakes, starts `then`
 *     }
 *
 * A success has nothing to write: it is decided, published and let go of in one step.
 *
 * future/ knows no MPI, no port and no engine: unit tests link it alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "future/task.h"

struct ferry_future {
	/* The low bits are FY_FUTURE_* below. The high bits count references: the program's, and
	 * the engine's one until it is done with the operation. Written by any thread that
	 * completes, waits, registers, retains or releases (atomic or, add, compare and swap), read
	 * by all (acquire). One word, so that the engine completes a future and lets go of it in
	 * one step. */
	uint32_t state;
	int status;     /* set before DONE, constant after it */
	uint32_t flags; /* FY_FUTURE_IS_*: constant after creation */
	ferry *engine;  /* may be NULL; used only while not DONE */
	/* Others read it only where REPLIED is set; before that it is the engine's. A call may have
	 * a blank message here, from its poster's cache, for the reply. Moved out once
	 * (REPLY_TAKEN). */
	ferry_message *reply;
	char *detail; /* set before DONE: malloc'd, or NULL */
	union {
		struct {
			/* the helm's: the call's id, or the sequence number of a post's batch */
			uint64_t id;
			/* of the helm, or of the cache: the next one in a channel's list or
			 * there */
			ferry_future *next;
			void *extra; /* of composed futures and promises */
		};
		unsigned char mpi_status[24]; /* FY_FUTURE_IS_STARTED: set before DONE */
	};
	/* Above: one cache line, which moves to the helm's processor and back. Below: what the helm
	 * reads only where WATCHED or THEN is set. */
	void *links; /* watches, a lock bit and a bit for "completed": see watch.h */
	/* called when the last reference is dropped */
	void (*extra_free)(ferry_future *future, void *extra);
	/* then*: written by the thread that turned THEN_KEPT on, before it sets THEN (atomic or);
	 * read only where THEN is set. */
	struct fy_task then; /* the callback's place in its executor's queue */
	ferry_callback_fn *then_fn;
	void *then_arg;
	ferry_executor *then_where;
};

#define FY_FUTURE_CLAIMED 0x1u    /* somebody decided the outcome */
#define FY_FUTURE_DONE 0x2u       /* the outcome can be read */
#define FY_FUTURE_WAITED 0x4u     /* somebody sleeps on the state word: futex wake at completion */
#define FY_FUTURE_THEN 0x8u       /* then_* are set */
#define FY_FUTURE_THEN_KEPT 0x10u /* a thread has the slot of `then`, and sets then_* */
#define FY_FUTURE_WATCHED 0x20u   /* `links` has or had watches, see watch.h */
#define FY_FUTURE_REPLY_TAKEN 0x40u
#define FY_FUTURE_DEPARTED 0x80u /* the helm took the operation from its lane */
#define FY_FUTURE_REPLIED 0x100u /* `reply` is valid */
/* one reference; there is space for 8 million, as 100,000 compositions may keep one future */
#define FY_FUTURE_REF 0x200u

#define FY_FUTURE_IS_CALL 0x1u /* has a reply to take */
#define FY_FUTURE_IS_PROMISE 0x2u
#define FY_FUTURE_NO_CANCEL 0x4u /* cancel is ENOTSUP */
/* a message that goes through a lane: the helm calls fy_future_depart, and the detail of a cancel
 * or a timeout says whether the message was sent */
#define FY_FUTURE_IS_POSTED 0x8u
#define FY_FUTURE_IS_COMPOSED 0x10u /* of compose.c. Flags from 0x200 on are free for the engine */
#define FY_FUTURE_IS_STARTED 0x20u  /* an operation of MPI, which also goes through a lane */
/* a started probe: the helm claims it for a moment, and may give the claim back */
#define FY_FUTURE_IS_PROBE 0x40u
#define FY_FUTURE_IS_SURE 0x80u /* a started operation that goes on after a cancel */
/* the library's own: its callback is given NULL instead of it */
#define FY_FUTURE_IS_HIDDEN 0x100u
void fy_future_give_back(ferry_future *future);
int fy_future_fail_null(const char *function);

static inline uint32_t fy_future_refs(const ferry_future *future)
{
	return fy_load_acquire_32(&future->state) / FY_FUTURE_REF;
}

/* A future with two references, the program's and the engine's, from the thread's cache. NULL: no
 * memory. */
ferry_future *fy_future_create(ferry *engine, uint32_t flags);
/* Its operation was never begun: both references are dropped. */
void fy_future_discard(ferry_future *future);
/* Decide the outcome. True for exactly one caller ever. */
bool fy_future_claim(ferry_future *future);
/* Give the claim of a probe back: nothing was decided after all. Only for the helm, after
 * fy_future_claim and instead of fy_future_finish. */
void fy_future_unclaim(ferry_future *future);
/* Publish the outcome of a future that the caller claimed: sets DONE, wakes waiters, hands `then`
 * to its executor. Does not drop a reference. */
void fy_future_finish(ferry_future *future, int status);
/* The same with a reply (may be NULL), whose reference becomes the future's. */
void fy_future_finish_reply(ferry_future *future, int status, ferry_message *reply);
/* Claim and finish with a status and a text (copied; may be NULL), then drop the engine's reference
 * in any case. True: this call decided the future. */
bool fy_future_complete(ferry_future *future, int status, const char *detail);
/* The same with a reply. Its reference becomes the future's, or is released if the future was
 * decided before. */
bool fy_future_complete_reply(ferry_future *future, ferry_message *reply);
static inline bool fy_future_is_done(const ferry_future *future)
{
	return (fy_load_acquire_32(&future->state) & FY_FUTURE_DONE) != 0;
}
/* For the helm, when it takes a posted operation from its lane. True: send it. False: it was
 * cancelled or timed out before. One atomic step, as the claim is, so the detail of a cancel tells
 * the truth. */
static inline bool fy_future_depart(ferry_future *future)
{
	return !(fy_or_32(&future->state, FY_FUTURE_DEPARTED) & FY_FUTURE_CLAIMED);
}
/* What a timer of hooks.deadline does: decide the future with ETIMEDOUT unless it is decided, then
 * drop the timer's reference. True: this call decided it. */
bool fy_future_expire(ferry_future *future);
/* Note why a future that is done failed as this thread's last error; returns its status. */
int fy_future_failed(const ferry_future *future) __attribute__((cold));
/* What a public function returns for a future that is done. A success costs one comparison. */
static inline int fy_future_outcome(const ferry_future *future)
{
	return fy_likely(future->status == FERRY_OK) ? FERRY_OK : fy_future_failed(future);
}
/* The text of a failure: its detail, or what its status means. Valid until this thread's next
 * call. */
const char *fy_future_why(const ferry_future *future);
/* Move the reply out of a future that is done. NULL: it has none, or not any more. */
ferry_message *fy_future_move_reply(ferry_future *future);
/* Hand a task to `where`. Runs it here if `where` is FERRY_INLINE and the engine takes no more. */
void fy_future_run_on(ferry *engine, ferry_executor *where, struct fy_task *task);
