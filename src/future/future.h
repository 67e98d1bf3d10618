/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futures, as the rest of the library sees them. See future.c for the
 * invariants and ferry.h for what programs see.
 *
 * A future is *completed* by whoever wins its claim: the engine (ack, reply,
 * failure), a cancel, a deadline, a promise's fulfilment. Two steps, so that
 * the winner may write the result between them without anybody seeing half:
 *
 *     if (fy_future_claim(f)) {            // one atomic step: exactly one wins
 *             f->detail = ...;
 *             fy_future_finish(f, status); // publishes, wakes, starts `then`
 *     }
 *
 * What has nothing to write, a success, is decided, published and let go of in one step.
 *
 * No MPI, no port, no engine internals below this line: unit tests link it alone.
 */
#ifndef FY_FUTURE_FUTURE_H
#define FY_FUTURE_FUTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "future/task.h"

struct ferry_future {
	/* FY_FUTURE_* below, and above them the references: the program's, and one of the engine's
	 * until the operation is over for it. Written by whoever completes, waits, registers,
	 * retains or releases (atomic or, add, compare and swap), read by all (acquire). In one
	 * word, so that the engine completes a future and lets go of it in one step. DONE is set
	 * last, by a release. */
	uint32_t state;
	int status;     /* set before DONE, constant after it */
	uint32_t flags; /* FY_FUTURE_IS_*: constant after creation */
	ferry *engine;  /* may be NULL; used only while not DONE */
	/* Read only where REPLIED is set. Until then the engine's: a call may come with an
	 * empty message in which the reply is written, from its poster's cache. Moved out
	 * once (REPLY_TAKEN). */
	ferry_message *reply;
	char *detail; /* set before DONE: malloc'd, or NULL */
	union {
		struct {
			/* the helm's: the call's id, or the sequence number of a post's batch */
			uint64_t id;
			/* the owner's: links it in a channel's list or in the cache */
			ferry_future *next;
			void *extra; /* what composed futures and promises hang here */
		};
		unsigned char mpi_status[24]; /* FY_FUTURE_IS_STARTED: set before DONE */
	};
	/* Above: a line of the cache, which goes to the helm and back. Below: what that looks at
	 * only where WATCHED or THEN is set. */
	void *links; /* watches, a lock bit and a bit for "completed": see watch.h */
	/* called when the last reference is gone */
	void (*extra_free)(ferry_future *future, void *extra);
	/* Written by the thread that turned THEN_KEPT on, before THEN; nobody reads them
	 * without it. */
	struct fy_task then; /* the callback's place in its executor's queue */
	ferry_callback_fn *then_fn;
	void *then_arg;
	ferry_executor *then_where;
};

#define FY_FUTURE_CLAIMED 0x1u    /* somebody decided the outcome */
#define FY_FUTURE_DONE 0x2u       /* the outcome can be read */
#define FY_FUTURE_WAITED 0x4u     /* somebody sleeps on the state word: futex wake at completion */
#define FY_FUTURE_THEN 0x8u       /* then_* are set */
#define FY_FUTURE_THEN_KEPT 0x10u /* the slot of `then` is given away; somebody sets then_* */
#define FY_FUTURE_WATCHED 0x20u   /* `links` has or had watches, see watch.h */
#define FY_FUTURE_REPLY_TAKEN 0x40u
#define FY_FUTURE_DEPARTED 0x80u /* the helm took the operation from its lane */
#define FY_FUTURE_REPLIED 0x100u /* `reply` is one */
/* one reference, of 8 million: 100,000 compositions may hold one future */
#define FY_FUTURE_REF 0x200u

#define FY_FUTURE_IS_CALL 0x1u /* has a reply to take */
#define FY_FUTURE_IS_PROMISE 0x2u
#define FY_FUTURE_NO_CANCEL 0x4u /* cancel is ENOTSUP */
/* goes through a lane: the helm calls fy_future_depart, and the detail of a cancel or a timeout
 * says whether the message was sent */
#define FY_FUTURE_IS_POSTED 0x8u
#define FY_FUTURE_IS_COMPOSED 0x10u /* of compose.c. Flags from 0x100 on are free for the engine */
#define FY_FUTURE_IS_STARTED 0x20u  /* an operation of MPI, through a lane likewise */
/* of these: the helm claims it for a moment, and may give the claim back */
#define FY_FUTURE_IS_PROBE 0x40u
#define FY_FUTURE_IS_SURE 0x80u /* of these: it goes on whatever becomes of the future */
void fy_future_give_back(ferry_future *future);
int fy_future_fail_null(const char *function);
int fy_future_fail_timeout(const char *function, int64_t timeout);

static inline uint32_t fy_future_refs(const ferry_future *future)
{
	return fy_load_acquire_32(&future->state) / FY_FUTURE_REF;
}

/* A future with two references, the program's and the engine's, from the
 * thread's cache. NULL: no memory. */
ferry_future *fy_future_create(ferry *engine, uint32_t flags);
/* Decide the outcome. True for exactly one caller ever. */
bool fy_future_claim(ferry_future *future);
/* Of a probe: nothing was decided after all. The helm, between fy_future_claim and
 * fy_future_finish. */
void fy_future_unclaim(ferry_future *future);
/* Publish the outcome of a future that the caller claimed: sets DONE, wakes
 * waiters, hands `then` to its executor. Does not drop a reference. */
void fy_future_finish(ferry_future *future, int status);
/* Likewise with a reply, of which the reference goes over (may be NULL). */
void fy_future_finish_reply(ferry_future *future, int status, ferry_message *reply);
/* Claim and finish with a status and a text (copied; may be NULL), then drop
 * the engine's reference, whoever won. True if it won. */
bool fy_future_complete(ferry_future *future, int status, const char *detail);
/* Likewise with a reply, of which the reference goes over to the future, or is
 * released when the race was lost. */
bool fy_future_complete_reply(ferry_future *future, ferry_message *reply);
static inline bool fy_future_is_done(const ferry_future *future)
{
	return (fy_load_acquire_32(&future->state) & FY_FUTURE_DONE) != 0;
}
/* The helm, when it takes a posted operation from its lane: true when it is to be sent, false when
 * it was cancelled or timed out before. One atomic step against the claim, so that the detail tells
 * the truth. */
static inline bool fy_future_depart(ferry_future *future)
{
	return !(fy_or_32(&future->state, FY_FUTURE_DEPARTED) & FY_FUTURE_CLAIMED);
}
/* What a timer of hooks.deadline does: decide ETIMEDOUT unless it is decided, then drop the timer's
 * reference. True if it won. */
bool fy_future_expire(ferry_future *future);
/* Note why a future that is done failed as this thread's last error; returns its status. */
int fy_future_failed(const ferry_future *future) __attribute__((cold));
/* What a public function returns for a future that is done. A success costs one comparison. */
static inline int fy_future_outcome(const ferry_future *future)
{
	return fy_likely(future->status == FERRY_OK) ? FERRY_OK : fy_future_failed(future);
}
/* The text of a failure: its detail, or what its status means. Valid until the next call of
 * this thread. */
const char *fy_future_why(const ferry_future *future);
/* The reply of a future that is done, moved out; NULL when there is none (any more). */
ferry_message *fy_future_move_reply(ferry_future *future);
/* Hand a task to `where`, or run it here when that is inline and the engine takes no more. */
void fy_future_run_on(ferry *engine, ferry_executor *where, struct fy_task *task);
/* For tests of the bound: futures that this thread's cache holds. */
unsigned fy_future_cached(void);

#endif
