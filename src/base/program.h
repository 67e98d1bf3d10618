/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code of the program that the library calls: handlers, callbacks, release and memory functions,
 * starts of MPI. Any thread.
 *
 *  - Handlers, and what else the progress thread calls, have the signal mask of the thread that
 *    opened the engine: see fy_program_mask. A handler of FERRY_ANYWHERE has it on each thread, and
 *    a last error of its own: see fy_program_host_begin.
 *  - It ends by returning. A C++ exception or pthread_exit would leave the helm or a strand taken
 *    for ever, so FY_PROGRAM then ends the program with a sentence. (longjmp goes unnoticed.)
 *  - None begins once exit() has come to the library, because the objects that it uses are being
 *    destroyed. Whoever calls it asks fy_program_may_run first, after fy_program_enter on the same
 *    thread.
 *
 * Exit sets `ending`, makes every running thread pass a fence, and waits for the threads that are
 * inside. A thread says that it is inside, and then looks at `ending`. So either the thread sees
 * the end, or exit sees the thread. Where the kernel has membarrier (barrier.h) the thread needs no
 * fence for this.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/order.h"

struct fy_program_inside {
	uint32_t depth; /* written by its thread (release), read by exit (acquire) */
	bool used;      /* under the lock of the list: a thread has this entry */
	struct fy_program_inside *next; /* constant once it is in the list */
};

/* Hidden, so that the look before each handler does not go through a table of addresses. */
#define FY_HERE __attribute__((visibility("hidden")))

/* This thread's entry, made when the thread first runs code of the program. */
extern FY_THREAD_LOCAL struct fy_program_inside *fy_program_inside;
/* 1 once exit has begun: written by exit (release), read by all (relaxed) */
extern FY_HERE uint32_t fy_program_ending;
/* constant after fy_program_begin. 1: there is no membarrier, threads that enter fence */
extern FY_HERE uint32_t fy_program_enter_fences;

/* Once a process, before the first engine. From here on exit keeps code of the program from
 * starting. */
void fy_program_begin(void);
/* For a thread that has run no code of the program yet and has blocked its signals. It takes this
 * mask when it first runs such code. *mask must live as long as the thread. */
void fy_program_mask(const sigset_t *mask);
/* The slow part of fy_program_enter. */
struct fy_program_inside *fy_program_thread(void) __attribute__((cold));
/* End the program: `what` ("a handler"), of this op or fy_program_no_op, did not return. */
void fy_program_left(const char *what, uint32_t op) __attribute__((noreturn, cold));
/* The mask that this thread is going to take, or NULL. */
const sigset_t *fy_program_mask_to_take(void);
/* A thread of the program that runs handlers while it waits: what it had before. */
struct fy_program_host {
	bool visited; /* for the caller: did it begin? */
	bool masked;
	sigset_t mask;
	void *errors;
};
/* Between these two the thread has the handlers' signal mask (NULL: it keeps its own) and last
 * error. */
void fy_program_host_begin(struct fy_program_host *host, const sigset_t *mask);
void fy_program_host_end(const struct fy_program_host *host);
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
/* Around calls of the program's code: `what`, and where the op is. Where the calls return it costs
 * only to note these two. */
#define FY_PROGRAM_BEGIN(what, op) \
	struct fy_visit fy_visit_  \
		__attribute__((cleanup(fy_program_visit_ends))) = { (what), (op), false }
#define FY_PROGRAM_END (fy_visit_.over = true)
/* The same around one call, as a statement. */
#define FY_PROGRAM(what, op, call)          \
	do {                                \
		FY_PROGRAM_BEGIN(what, op); \
		call;                       \
		FY_PROGRAM_END;             \
	} while (0)
