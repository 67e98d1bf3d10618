/* SPDX-License-Identifier: Apache-2.0 */
/* Executors, as the rest of the library sees them. See ferry.h and executor.c. */
#ifndef FY_EXECUTOR_H
#define FY_EXECUTOR_H

#include "ferry.h"
#include "task.h"

/* Queue a task. Any thread; never blocks, cannot fail, allocates nothing; order of submission by
 * one thread is kept as far as ferry.h says. `where` is not FERRY_INLINE. The task may run and be
 * freed before this returns. */
void fy_executor_submit(ferry_executor *where, struct fy_task *task);
/* One reference more or less; a handler registration holds one. */
void fy_executor_retain(ferry_executor *where);
void fy_executor_release(ferry_executor *where);
/* Is the calling thread running a task of this executor right now? */
bool fy_executor_inside(const ferry_executor *where);
/* Is the calling thread running a task of any executor? */
bool fy_executor_is_running(void);
/* Is the calling thread the last of its pool that is not blocked, so that it must not wait for
 * room? False on threads that belong to no pool. */
bool fy_executor_last_runner(void);
/* A pool's thread tells that it starts or ends waiting for room. No effect on other threads. */
void fy_executor_blocking(bool begins);
/* While a task runs: was its executor destroyed before the task was queued? Then it must only clean
 * up and run none of the program's code. */
bool fy_executor_discarding(void);
/* Is the calling thread running a task of `where`, and could no other thread run the next one?
 * `where` may be gone. */
bool fy_executor_alone_inside(const ferry_executor *where);
/* Run all that is queued on the queues of an engine, on the calling thread. How many ran. */
unsigned fy_executor_engine_closing(ferry *engine);
/* Nothing of it is any more: the queues of this engine are nobody's. */
void fy_executor_engine_closed(ferry *engine);
/* Run all that is queued on the calling thread (close does this for queues nobody runs). */
unsigned fy_executor_drain(ferry_executor *where);

#endif
