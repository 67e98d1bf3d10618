/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watchdog: one thread a process. It says in the place of a progress thread that this one
 * cannot: that code of the program, which the progress thread runs, does not return.
 *
 * It looks at each engine 24 times in its peer_timeout, and sleeps in poll meanwhile. If the loop
 * has not stepped since the last look, and code of the program runs with the helm, it adds one to a
 * word that the ranks of the host see. A rank whose word moves is late, and not dead
 * (helm/lookout.c). A loop that steps moves no word: it answers by itself, and one that steps but
 * does not hear has to be found out. Nor does one that stands in MPI: it may do so for ever. A
 * process that is stopped has a watchdog that is stopped.
 *
 * Ranks of other hosts cannot see the word. So the watchdog also writes to the log, after half of
 * peer_timeout, before they take this rank for dead.
 *
 * It never calls MPI, and takes no lock but its own. A child of a fork has no such thread: there
 * the first engine that joins starts another one.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "engine/watchdog.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/types.h>
#include <unistd.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/order.h"
#include "base/place.h"
#include "shared/engine.h"
#include "shared/inside.h"

#define LOOKS 24                /* in a timeout */
#define PERIOD_MIN FERRY_MS(10) /* between two looks */
#define DEAF_MS 100             /* longest sleep when nobody can wake it */
#define STACK ((size_t)256 << 10)

static struct {
	pthread_mutex_t gate; /* joins and leaves come one at a time */
	pthread_mutex_t lock;
	pthread_t thread;
	unsigned joined; /* under the gate */
	pid_t process;   /* likewise: whose thread it is */
	int event;       /* wakes it; constant while it runs */
	bool ending;     /* under the lock, as is the list */
	struct fy_watched *first;
} dog = { .gate = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER, .event = -1 };

/* ---- looking ------------------------------------------------------------------------------- */

static void say_blocked(const struct fy_watched *w, uint32_t inside)
{
	char what[64] = "a callback or another function of the program";
	if (inside != FY_INSIDE_CALLBACK)
		snprintf(what, sizeof what, "the inline handler of op %#x", inside);
	fy_log_at(w->engine->log, FERRY_LOG_WARNING,
	          "the progress thread has been inside of %s for %lld ms: %s (%lld ms); let an "
	          "executor run it, or raise peer_timeout",
	          what, (long long)(w->blocked / FERRY_MS(1)),
	          w->apart ? "ranks of other hosts take this one for dead after peer_timeout"
	                   : "the ranks of this host wait, others would do so for peer_timeout",
	          (long long)(w->engine->options.peer_timeout / FERRY_MS(1)));
}

static bool is_blocked(struct fy_watched *w, uint32_t inside)
{
	uint64_t steps = fy_load_relaxed_64(w->steps);
	bool stood = steps == w->seen;
	w->seen = steps;
	return stood && inside != FY_INSIDE_NOTHING && inside != FY_INSIDE_END &&
	       !fy_load_relaxed_32(&w->engine->end.left);
}

static void look(struct fy_watched *w)
{
	uint32_t inside = fy_load_relaxed_32(&w->engine->end.inside);
	if (!is_blocked(w, inside)) {
		w->blocked = 0;
		w->said = false;
		return;
	}
	/* by as much, even if more time has passed, in which the process may have been stopped */
	w->blocked += w->period;
	w->beats++;
	if (w->word)
		fy_store_relaxed_32(w->word, w->beats);
	if (w->said || w->blocked < w->engine->options.peer_timeout / 2)
		return;
	w->said = true;
	say_blocked(w, inside);
}

/* Returns how long (ns) nothing is due. */
static int64_t look_at_all(void)
{
	int64_t now = fy_clock_now(), next = now + FERRY_S(60);
	for (struct fy_watched *w = dog.first; w; w = w->next) {
		if (now >= w->due_at) {
			look(w);
			w->due_at = now + w->period;
		}
		if (w->due_at < next)
			next = w->due_at;
	}
	return next - now;
}

static void sleep_for(int64_t time)
{
	struct pollfd event = { .fd = dog.event, .events = POLLIN };
	int ms = (int)(time / FERRY_MS(1)) + 1;
	uint64_t count;
	if (poll(&event, 1, ms) <= 0)
		return;
	/* If the program has closed the descriptor, poll returns at once: sleep without it. */
	if (!(event.revents & POLLIN) || read(dog.event, &count, sizeof count) < 0)
		poll(NULL, 0, ms < DEAF_MS ? ms : DEAF_MS);
}

static void *watch(void *arg)
{
	(void)arg;
	pthread_setname_np(pthread_self(), "ferry-watch");
	fy_place_as_process();
	pthread_mutex_lock(&dog.lock);
	while (!dog.ending) {
		int64_t time = look_at_all();
		pthread_mutex_unlock(&dog.lock);
		sleep_for(time);
		pthread_mutex_lock(&dog.lock);
	}
	pthread_mutex_unlock(&dog.lock);
	return NULL;
}

static void wake(void)
{
	static const uint64_t one = 1;
	ssize_t written = write(dog.event, &one, sizeof one);
	(void)written;
}

/* ---- its life ------------------------------------------------------------------------------ */

static int create_thread(void)
{
	pthread_attr_t attr;
	int failed = pthread_attr_init(&attr);
	if (failed)
		return failed;
	pthread_attr_setstacksize(&attr, STACK); /* if that is too little it gets what is usual */
	failed = pthread_create(&dog.thread, &attr, watch, NULL);
	pthread_attr_destroy(&attr);
	return failed;
}

static int start(void)
{
	dog.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (dog.event < 0)
		return fy_fail(FERRY_ENOMEM, "the watchdog got no descriptor: %s", strerror(errno));
	dog.ending = false;
	int failed = create_thread();
	if (!failed)
		return FERRY_OK;
	close(dog.event);
	return fy_fail(FERRY_ENOMEM, "the watchdog's thread could not be started: %s",
	               strerror(failed));
}

/* In a child of a fork: the thread is the parent's, and may have held the lock. */
static void forget_parent(void)
{
	if (dog.process == getpid())
		return;
	pthread_mutex_init(&dog.lock, NULL);
	dog.process = getpid();
	dog.joined = 0;
	dog.first = NULL;
}

int fy_watchdog_join(struct fy_watched *watched)
{
	pthread_mutex_lock(&dog.gate);
	forget_parent();
	int status = dog.joined ? FERRY_OK : start();
	dog.joined += !status;
	watched->joined = !status;
	pthread_mutex_unlock(&dog.gate);
	return status;
}

static int64_t period_for(int64_t timeout)
{
	return timeout / LOOKS > PERIOD_MIN ? timeout / LOOKS : PERIOD_MIN;
}

void fy_watchdog_watch(struct fy_watched *watched, ferry *engine, const uint64_t *steps,
                       uint32_t *word, bool apart)
{
	if (!watched->joined)
		return;
	pthread_mutex_lock(&dog.lock);
	watched->engine = engine;
	watched->steps = steps;
	watched->word = word;
	watched->apart = apart;
	watched->period = period_for(engine->options.peer_timeout);
	watched->due_at = fy_clock_now() + watched->period;
	watched->next = dog.first;
	dog.first = watched;
	pthread_mutex_unlock(&dog.lock);
	wake();
}

static void take_out(const struct fy_watched *watched)
{
	struct fy_watched **at = &dog.first;
	while (*at && *at != watched)
		at = &(*at)->next;
	if (*at)
		*at = watched->next;
}

void fy_watchdog_leave(struct fy_watched *watched)
{
	if (!watched->joined)
		return;
	watched->joined = false;
	pthread_mutex_lock(&dog.gate);
	bool last = --dog.joined == 0;
	pthread_mutex_lock(&dog.lock);
	take_out(watched);
	dog.ending = last;
	pthread_mutex_unlock(&dog.lock);
	if (last) {
		wake();
		pthread_join(dog.thread, NULL);
		close(dog.event);
	}
	pthread_mutex_unlock(&dog.gate);
}
