/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_DRIVE_H
#define FY_HELM_DRIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

/* A thread that waits lends a hand, as far as the engine allows it; it then sleeps on what it
 * waits for. */
void fy_drive_help(ferry *engine, bool (*ready)(const void *arg), const void *arg, int64_t until);
/* When a close that began then looks again at queues that nobody runs: soon at first,
 * later seldom. */
int64_t fy_drive_close_look(int64_t begun);

/* Without a thread: go on with a close. `look` is called now and then, with the helm. */
void fy_drive_close(ferry *engine, void (*look)(void *arg), void *arg);

/* Drive the engine on behalf of a waiting thread until *word != expected, or
 * nothing more can be done by it. May do nothing. */
void fy_drive_until(ferry *engine, bool (*ready)(const void *arg), const void *arg, int64_t until);
/* One look, by a thread that will soon drive. True: until then nobody wakes the progress thread; if
 * the thread does not, that one's nap ends by itself. */
bool fy_drive_steer(ferry *engine, bool (*ready)(const void *arg), const void *arg);

#endif
