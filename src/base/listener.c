/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The function of the program's that gets the lines of the log, if there is one (ferry_log_to).
 * Any thread.
 *
 * A thread that calls the function first counts itself as a user, and then looks whether the
 * function is still the one. Who sets another one takes the old one away first, and then waits for
 * its users. Both are full fences, so either the user sees that it is gone, or it is waited for.
 *
 * It is code of the program: see base/program.h. A thread that is inside of it gives it no line.
 */
#include "base/listener.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "ferry.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/order.h"
#include "base/program.h"

#define LOOK FERRY_US(100) /* between two looks at the users of a function that was taken away */

struct listener {
	ferry_log_fn *fn; /* constant while it is `now`, as is arg */
	void *arg;
	/* threads inside of it, or about to look whether it is `now`: atomic add by them, read by
	 * ferry_log_to (acquire) */
	uint32_t users;
	/* how often this entry was filled: written under the lock (release), read by ferry_log_to
	 * (acquire) */
	uint32_t fills;
	struct listener *next; /* constant once it is in the list */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct listener *all; /* under lock; it never gets shorter */
/* NULL: there is none. Written under lock (swap), read by threads that log (acquire) */
static struct listener *now;
static FY_THREAD_LOCAL bool inside;

static struct listener *begin(void)
{
	for (;;) {
		struct listener *s = fy_load_acquire_ptr(&now);
		if (!s)
			return NULL;
		fy_add_32(&s->users, 1);
		if (fy_load_acquire_ptr(&now) == s)
			return s;
		fy_sub_32(&s->users, 1);
	}
}

/* What fails inside of it is not the last error of the thread that logs. */
static bool call(struct listener *s, int level, const char *line)
{
	fy_program_enter();
	bool may = fy_program_may_run();
	if (may) {
		void *errors = fy_fail_begin_guest();
		inside = true;
		FY_PROGRAM("the function of ferry_log_to", &fy_program_no_op,
		           s->fn(level, line, s->arg));
		inside = false;
		fy_fail_end_guest(errors);
	}
	fy_program_leave();
	return may;
}

bool fy_listener_is_there(void)
{
	return fy_load_acquire_ptr(&now) && !inside;
}

bool fy_listener_is_inside(void)
{
	return inside;
}

bool fy_listener_take(int level, const char *line)
{
	struct listener *s = inside ? NULL : begin();
	if (!s)
		return false;
	int cancel = fy_cancel_later();
	bool taken = call(s, level, line);
	fy_sub_32(&s->users, 1);
	fy_cancel_as(cancel);
	return taken;
}

/* An entry that nobody uses. Under the lock. */
static struct listener *fill_one(ferry_log_fn *fn, void *arg)
{
	struct listener *s = all;
	while (s && (s == now || fy_load_acquire_32(&s->users)))
		s = s->next;
	if (!s && (s = calloc(1, sizeof *s))) {
		s->next = all;
		all = s;
	}
	if (!s)
		return NULL;
	s->fn = fn;
	s->arg = arg;
	fy_store_release_32(&s->fills, s->fills + 1);
	return s;
}

/* An entry that was filled again had no user for a moment. */
static void wait_for_users(const struct listener *s, uint32_t fills)
{
	const struct timespec look = { 0, LOOK };
	while (fy_load_acquire_32(&s->users) && fy_load_acquire_32(&s->fills) == fills)
		nanosleep(&look, NULL);
}

int ferry_log_to(ferry_log_fn *fn, void *arg)
{
	int cancel = fy_cancel_later();
	fy_program_begin();
	pthread_mutex_lock(&lock);
	struct listener *s = fn ? fill_one(fn, arg) : NULL, *before = NULL;
	bool ok = s || !fn;
	if (ok)
		before = fy_swap_ptr(&now, s);
	uint32_t fills = before ? before->fills : 0;
	pthread_mutex_unlock(&lock);
	if (before && !inside)
		wait_for_users(before, fills);
	fy_cancel_as(cancel);
	return ok ? FERRY_OK : fy_fail(FERRY_ENOMEM, "no memory for the function of the log");
}
