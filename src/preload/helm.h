/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helm of the layer: the right to start and to test operations for all threads. One thread has
 * it at a time. Nobody sleeps for it: who does not get it at once leaves a record in a lane, or
 * becomes a waiter.
 *
 * A waiter has a function, its poll, which says whether the thread may go on, and which only the
 * holder of the helm calls. So whoever has the helm can finish what others wait for. A waiter
 * without a poll wants the helm itself, and gets it from a holder that waits. Nobody rings when a
 * message comes, so as long as anybody waits there is one thread that looks, or will do so in a
 * moment.
 *
 * A waiter is awake at first: it takes the helm if that is free. Then it lies down. One at a time
 * naps instead, and counts as awake. A holder that has finished its own gives the helm back if a
 * waiter is awake, so that it can go on and come again without a switch to another thread. If all
 * are asleep it hands the helm to one of them.
 *
 * Why nothing is left lying: who posts, or becomes a waiter, does so first, fences, and tries the
 * helm once more. So does a waiter that lies down. Who gives the helm back stores that, fences, and
 * looks at lanes, at new waiters, and whether one is still awake.
 */
#pragma once

#include <stdbool.h>

/* Called by the holder of the helm, again and again, until it returns true: the call is over. It
 * must not block. */
typedef bool fy_poll(void *arg);

/* Take the helm if it is free. Then all lanes are empty: what was posted before is with MPI. */
bool fy_preload_helm_try(void);
void fy_preload_helm_give(void);
/* The calling thread goes on when its poll has returned true. Lanes are emptied before its first
 * call. */
void fy_preload_helm_wait(fy_poll *poll, void *arg);
/* The same with the helm, which is given back. */
void fy_preload_helm_go_on(fy_poll *poll, void *arg);
/* The holder: does another thread wait? */
bool fy_preload_helm_has_others(void);
/* The calling thread has the helm, and gives it back. Lanes are empty. */
void fy_preload_helm_hold(void);
/* Take the helm and never give it back. All lanes are empty. */
void fy_preload_helm_keep(void);
/* All that was posted before is with MPI. */
void fy_preload_helm_flush(void);
/* The same for any way: a poll that is called until it is true, by this thread alone as long as
 * that suffices. */
void fy_preload_helm_run(fy_poll *look, void *arg);
/* The same for a call that waits for many requests, so that a switch to another thread costs little
 * of it: then the helm goes to the waiter that is first. */
void fy_preload_helm_run_in_turn(fy_poll *look, void *arg);
