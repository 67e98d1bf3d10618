/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

/* For a thread that waits until ready(arg), at most until `until` (monotonic ns): drive the engine,
 * as far as the engine allows it. Afterwards the thread sleeps on what it waits for. */
void fy_drive_help(ferry *engine, bool (*ready)(const void *arg), const void *arg, int64_t until);
/* The same where the program knows that it waits: handlers of FERRY_ANYWHERE run on this thread. */
void fy_drive_wait(ferry *engine, bool (*ready)(const void *arg), const void *arg, int64_t until);
/* When (monotonic ns) a close that began at `begun` looks again at queues that nobody runs: soon at
 * first, less often later. */
int64_t fy_drive_close_look(const ferry *engine, int64_t begun);

/* Without a progress thread: drive a close to its end. `look` is called now and then, with the
 * helm. */
void fy_drive_close(ferry *engine, void (*look)(void *arg), void *arg);

/* Drive the engine beside the progress thread, until ready(arg) or nothing happens any more. May do
 * nothing. */
void fy_drive_until(ferry *engine, bool (*ready)(const void *arg), const void *arg, int64_t until);
/* One step by a thread that will soon wait, and drive then. True: until then the engine is left
 * without a wake-up. If the thread does not wait, the progress thread's nap ends by itself. */
bool fy_drive_steer(ferry *engine, bool (*ready)(const void *arg), const void *arg);
