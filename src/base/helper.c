/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helper. A list of what it looks after, under one lock; the lock is free while the thread
 * sleeps and while it calls back. Who removes something waits until no call of it runs. Who adds or
 * removes wakes the thread, which then makes up anew what it polls.
 *
 * A program may close descriptors that are not its own, and may get the same numbers for its own
 * afterwards. So the helper remembers which file a descriptor was, and looks before each use. What
 * is lost is never read, written or closed. Without the descriptor that wakes it the thread looks
 * ten times a second.
 *
 * A child of a fork has no such thread, and may have got the lock as somebody else held it. There
 * the first engine that joins begins with nothing, and starts another thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "base/helper.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/place.h"
#include "base/waiting.h"

#define SLEEP_MAX FERRY_S(60)
#define DEAF_MAX FERRY_MS(100) /* longest sleep when nobody can wake it */
#define STACK ((size_t)256 << 10)

static struct {
	pthread_mutex_t gate; /* joins and leaves come one at a time */
	unsigned joined;      /* under the gate */
	pid_t process;        /* likewise: whose thread it is */
	pthread_t thread;     /* likewise */
	pthread_mutex_t lock; /* for all that follows */
	pthread_cond_t done;  /* `running` has changed */
	bool ending;
	struct fy_helped wake; /* an eventfd; never in the list */
	struct fy_helped *first;
	struct fy_helped *running; /* its `run` is being called */
	unsigned places;           /* that came with a descriptor */
	/* these and the eventfd fit into the larger one of these; the thread takes `spare` when
	 * it does not poll */
	struct pollfd *polled, *spare;
	unsigned polled_max, spare_max;
	struct pollfd *of_parent[2]; /* under the gate: what is given up in a child of a fork */
} helper = { .gate = PTHREAD_MUTEX_INITIALIZER,
	     .lock = PTHREAD_MUTEX_INITIALIZER,
	     .done = PTHREAD_COND_INITIALIZER,
	     .wake.fd = -1 };

static _Thread_local bool is_helper; /* this is its thread */

bool fy_helper_is_here(void)
{
	return is_helper;
}

/* ---- descriptors --------------------------------------------------------------------------- */

static bool identify(struct fy_helped *it)
{
	struct stat is;
	if (fstat(it->fd, &is) != 0)
		return false;
	it->device = is.st_dev;
	it->inode = is.st_ino;
	return true;
}

/* Is the descriptor what it was? If not it is forgotten. */
static bool is_still(struct fy_helped *it)
{
	struct stat is;
	if (it->fd >= 0 && fstat(it->fd, &is) == 0 && is.st_dev == it->device &&
	    is.st_ino == it->inode)
		return true;
	it->fd = -1;
	return false;
}

static void wake(void)
{
	static const uint64_t one = 1;
	if (is_helper || !is_still(&helper.wake))
		return;
	ssize_t written = write(helper.wake.fd, &one, sizeof one);
	(void)written;
}

static void drain_wake(void)
{
	uint64_t count;
	if (!helper.wake.why || !is_still(&helper.wake))
		return;
	ssize_t got = read(helper.wake.fd, &count, sizeof count);
	(void)got;
}

/* ---- what it polls ------------------------------------------------------------------------- */

static void take_spare(void)
{
	if (!helper.spare)
		return;
	free(helper.polled);
	helper.polled = helper.spare;
	helper.polled_max = helper.spare_max;
	helper.spare = NULL;
	helper.spare_max = 0;
}

/* Room for one more of them, beside the eventfd. */
static bool make_room(void)
{
	unsigned wanted = helper.places + 2;
	if (wanted <= helper.polled_max || wanted <= helper.spare_max)
		return true;
	struct pollfd *spare = calloc(wanted * 2, sizeof *spare);
	if (!spare)
		return false;
	free(helper.spare);
	helper.spare = spare;
	helper.spare_max = wanted * 2;
	return true;
}

static void put_slot(struct fy_helped *it, unsigned *n)
{
	it->slot = -1;
	if (it->fd < 0 || (it->events == 0 && it != &helper.wake))
		return;
	it->slot = (int)*n;
	helper.polled[(*n)++] = (struct pollfd){ .fd = it->fd, .events = it->events };
}

/* Returns how many there are. */
static unsigned put_slots(void)
{
	unsigned n = 0;
	take_spare();
	put_slot(&helper.wake, &n);
	for (struct fy_helped *it = helper.first; it; it = it->next)
		put_slot(it, &n);
	return n;
}

static int sleep_ms(void)
{
	int64_t now = fy_clock_now(), next = now + SLEEP_MAX;
	if (helper.wake.fd < 0)
		next = now + DEAF_MAX;
	for (struct fy_helped *it = helper.first; it; it = it->next)
		if (it->why || it->due_at < next)
			next = it->why ? now : it->due_at;
	return next <= now ? 0 : (int)((next - now) / FERRY_MS(1)) + 1;
}

static unsigned why_of(struct fy_helped *it)
{
	int got = it->slot < 0 ? 0 : helper.polled[it->slot].revents;
	it->slot = -1;
	if (!got)
		return 0;
	return is_still(it) ? FY_HELP_READY : FY_HELP_LOST;
}

/* Mark those that are to be called. */
static void mark(void)
{
	int64_t now = fy_clock_now();
	helper.wake.why = why_of(&helper.wake);
	for (struct fy_helped *it = helper.first; it; it = it->next) {
		it->why |= why_of(it);
		if (now < it->due_at)
			continue;
		it->due_at = INT64_MAX;
		it->why |= FY_HELP_DUE;
	}
}

/* ---- its thread ---------------------------------------------------------------------------- */

static struct fy_helped *find_marked(void)
{
	struct fy_helped *it = helper.first;
	while (it && !it->why)
		it = it->next;
	return it;
}

/* `run` may remove anything, itself too, so nothing is known afterwards. */
static void call_marked(void)
{
	struct fy_helped *it;
	while ((it = find_marked())) {
		unsigned why = it->why;
		it->why = 0;
		helper.running = it;
		pthread_mutex_unlock(&helper.lock);
		it->run(it, why);
		pthread_mutex_lock(&helper.lock);
		helper.running = NULL;
		pthread_cond_broadcast(&helper.done);
	}
}

static void *help(void *arg)
{
	(void)arg;
	is_helper = true;
	pthread_setname_np(pthread_self(), "ferry-watch");
	fy_waiting_set_role(FY_ROLE_WATCH);
	fy_place_as_process();
	pthread_mutex_lock(&helper.lock);
	while (!helper.ending) {
		unsigned n = put_slots();
		int ms = sleep_ms();
		pthread_mutex_unlock(&helper.lock);
		int got = poll(helper.polled, n, ms);
		pthread_mutex_lock(&helper.lock);
		for (unsigned i = 0; got <= 0 && i < n; i++)
			helper.polled[i].revents = 0;
		mark();
		drain_wake();
		call_marked();
	}
	pthread_mutex_unlock(&helper.lock);
	return NULL;
}

/* ---- its life ------------------------------------------------------------------------------ */

static int create_thread(void)
{
	pthread_attr_t attr;
	int failed = pthread_attr_init(&attr);
	if (failed)
		return failed;
	pthread_attr_setstacksize(&attr, STACK); /* if that is too little it gets what is usual */
	failed = pthread_create(&helper.thread, &attr, help, NULL);
	pthread_attr_destroy(&attr);
	return failed;
}

static void free_rest(void)
{
	if (is_still(&helper.wake))
		close(helper.wake.fd);
	helper.wake.fd = -1;
	free(helper.polled);
	free(helper.spare);
	helper.polled = helper.spare = NULL;
	helper.polled_max = helper.spare_max = 0;
}

static int start(void)
{
	helper.wake.events = POLLIN;
	helper.wake.due_at = INT64_MAX;
	helper.wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (helper.wake.fd < 0 || !identify(&helper.wake))
		return fy_fail(FERRY_ENOMEM, "the thread ferry-watch got no descriptor: %s",
		               strerror(errno));
	helper.ending = false;
	int failed = make_room() ? create_thread() : ENOMEM;
	if (!failed)
		return FERRY_OK;
	free_rest();
	return fy_fail(FERRY_ENOMEM, "the thread ferry-watch could not be started: %s",
	               strerror(failed));
}

/* In a child of a fork. What was polled is given up: the thread of the parent may have been about
 * to exchange it. */
static void forget_parent(void)
{
	if (helper.process == getpid())
		return;
	pthread_mutex_init(&helper.lock, NULL);
	pthread_cond_init(&helper.done, NULL);
	helper.process = getpid();
	helper.joined = helper.places = 0;
	helper.first = helper.running = NULL;
	helper.of_parent[0] = helper.polled;
	helper.of_parent[1] = helper.spare;
	helper.polled = helper.spare = NULL;
	helper.polled_max = helper.spare_max = 0;
}

int fy_helper_join(void)
{
	pthread_mutex_lock(&helper.gate);
	forget_parent();
	int status = helper.joined ? FERRY_OK : start();
	helper.joined += !status;
	pthread_mutex_unlock(&helper.gate);
	return status;
}

void fy_helper_leave(void)
{
	pthread_mutex_lock(&helper.gate);
	if (helper.process == getpid() && --helper.joined == 0) {
		pthread_mutex_lock(&helper.lock);
		helper.ending = true;
		wake();
		pthread_mutex_unlock(&helper.lock);
		pthread_join(helper.thread, NULL);
		free_rest();
	}
	pthread_mutex_unlock(&helper.gate);
}

/* ---- what it looks after ------------------------------------------------------------------- */

int fy_helper_add(struct fy_helped *it)
{
	it->why = 0;
	it->slot = -1;
	it->has_place = it->fd >= 0;
	if (it->has_place && !identify(it))
		return fy_fail(FERRY_EINVAL, "descriptor %d: %s", it->fd, strerror(errno));
	pthread_mutex_lock(&helper.lock);
	bool fits = !it->has_place || make_room();
	if (fits) {
		it->next = helper.first;
		helper.first = it;
		helper.places += it->has_place;
		wake();
	}
	pthread_mutex_unlock(&helper.lock);
	return fits ? FERRY_OK : fy_fail(FERRY_ENOMEM, "no memory for one more descriptor");
}

static bool take_out(const struct fy_helped *it)
{
	struct fy_helped **at = &helper.first;
	while (*at && *at != it)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = it->next;
	helper.places -= it->has_place;
	return true;
}

void fy_helper_remove(struct fy_helped *it)
{
	pthread_mutex_lock(&helper.lock);
	if (take_out(it))
		wake();
	while (helper.running == it && !is_helper)
		pthread_cond_wait(&helper.done, &helper.lock);
	pthread_mutex_unlock(&helper.lock);
}

void fy_helper_poke(struct fy_helped *it)
{
	pthread_mutex_lock(&helper.lock);
	struct fy_helped *other = helper.first;
	while (other && other != it)
		other = other->next;
	if (other) {
		it->why |= FY_HELP_POKED;
		wake();
	}
	pthread_mutex_unlock(&helper.lock);
}
