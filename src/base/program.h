/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code of the program that the library calls: handlers, callbacks, release and memory functions,
 * starts of MPI.
 *
 *  - It has the signal mask of whoever opened the engine, also on the progress thread:
 *    see fy_program_mask.
 *  - It ends by returning. What leaves it in another way, an exception of C++ or pthread_exit,
 *    would leave the helm or a strand held for ever: FY_PROGRAM ends the program then, with a
 *    sentence. (longjmp tells nobody.)
 *  - None is begun any more once exit() has come to the library: what it uses is being destroyed.
 *    Whoever calls it asks fy_program_may_run first, after fy_program_enter on this thread.
 *
 * Exit sets `ending`, makes every running thread pass a fence, and waits for those that are inside.
 * A thread says that it is inside, and then looks at `ending`. So either it sees the end or exit
 * sees it. Who is inside pays for no fence where the kernel has membarrier (barrier.h).
 */
#ifndef FY_BASE_PROGRAM_H
#define FY_BASE_PROGRAM_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/order.h"

struct fy_program_inside {
	uint32_t depth; /* written by its thread (release), read by exit (acquire) */
	bool used;      /* under the lock of the list: a thread has it */
	struct fy_program_inside *next; /* constant once it is in the list */
};

/* so that no table stands between a handler and the look at it */
#define FY_HERE __attribute__((visibility("hidden")))

/* This thread's, made when it first runs code of the program. */
extern _Thread_local struct fy_program_inside *fy_program_inside
	__attribute__((tls_model("initial-exec")));
/* 1 once exit has begun: written by exit (release), read by all (relaxed) */
extern FY_HERE uint32_t fy_program_ending;
/* constant after fy_program_begin: there is no membarrier */
extern FY_HERE uint32_t fy_program_enter_fences;

/* Once a process, before the first engine: exit will stop code of the program from here on. */
void fy_program_begin(void);
/* This thread runs no code of the program so far and has blocked its signals. When it is to run
 * some for the first time it takes this mask, which stays where it is while the thread lives. */
void fy_program_mask(const sigset_t *mask);
/* The slow part of fy_program_enter. */
struct fy_program_inside *fy_program_thread(void) __attribute__((cold));
/* "a handler", and its op or fy_program_no_op: it did not return. */
void fy_program_left(const char *what, uint32_t op) __attribute__((noreturn, cold));
/* What exit does. */
void fy_program_end(void);

static inline void fy_program_enter(void)
{
	struct fy_program_inside *mine = fy_program_inside;
	if (fy_unlikely(!mine))
		mine = fy_program_thread();
	fy_store_release_32(&mine->depth, mine->depth + 1);
	if (fy_unlikely(fy_program_enter_fences))
		fy_fence_full();
}

static inline void fy_program_leave(void)
{
	struct fy_program_inside *mine = fy_program_inside;
	fy_store_release_32(&mine->depth, mine->depth - 1);
}

static inline bool fy_program_may_run(void)
{
	return fy_likely(!fy_load_relaxed_32(&fy_program_ending));
}

extern FY_HERE const uint32_t fy_program_no_op;

struct fy_visit {
	const char *what;
	const uint32_t *op;
	bool over;
};
static inline void fy_program_visit_ends(struct fy_visit *visit)
{
	if (!visit->over)
		fy_program_left(visit->what, *visit->op);
}
/* Around calls of the program's code: `what`, and where its op is. Where they return, which the
 * compiler sees, it costs nothing but to note these two. */
#define FY_PROGRAM_BEGIN(what, op) \
	struct fy_visit fy_visit_  \
		__attribute__((cleanup(fy_program_visit_ends))) = { (what), (op), false }
#define FY_PROGRAM_END (fy_visit_.over = true)
/* Around one, as a statement. */
#define FY_PROGRAM(what, op, call)          \
	do {                                \
		FY_PROGRAM_BEGIN(what, op); \
		call;                       \
		FY_PROGRAM_END;             \
	} while (0)

#endif
