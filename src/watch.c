/* SPDX-License-Identifier: Apache-2.0 */
/* Watches (see watch.h for the protocol), and ferry_wait_any, which is made of them. */
#include <sched.h>
#include <stdlib.h>

#include "compose.h"
#include "status.h"
#include "watch.h"

#define LOCK ((uintptr_t)1)
#define COMPLETED ((uintptr_t)2)
#define BITS (LOCK | COMPLETED)
#define SPINS 64
#define WATCHES_ON_STACK 16

static _Thread_local struct fy_watch_work work;
/* What this thread is to do once it holds no lock, first to last; `later_runs` while it does. */
static _Thread_local struct fy_later *later_first, **later_end;
static _Thread_local bool later_runs;

struct fy_watch_work *fy_watch_work(void)
{
	return &work;
}

/* ---- later ---------------------------------------------------------------- */

void fy_later(struct fy_later *later)
{
	later->next = NULL;
	if (!later_first)
		later_end = &later_first;
	*later_end = later;
	later_end = &later->next;
}

void fy_later_run(void)
{
	struct fy_later *later;

	if (later_runs)
		return;
	later_runs = true;
	while ((later = later_first) != NULL) {
		later_first = later->next;
		later->run(later);
	}
	later_runs = false;
}

/* ---- the word ------------------------------------------------------------- */

static uintptr_t load_links(const ferry_future *future)
{
	return (uintptr_t)fy_load_acquire_ptr(&future->links);
}

static bool cas_links(ferry_future *future, uintptr_t expected, uintptr_t desired)
{
	return fy_cas_ptr(&future->links, (void *)expected, (void *)desired);
}

static bool try_lock(ferry_future *future, struct fy_watch **head_p)
{
	uintptr_t links = load_links(future);

	if ((links & LOCK) || !cas_links(future, links, links | LOCK))
		return false;
	*head_p = (struct fy_watch *)(links & ~BITS);
	return true;
}

/* Watchers only: whoever holds the lock may have been preempted. */
static struct fy_watch *lock(ferry_future *future)
{
	struct fy_watch *head;

	for (unsigned tries = 0; !try_lock(future, &head); tries++) {
		if (tries < SPINS)
			fy_pause();
		else
			sched_yield();
	}
	return head;
}

static void fire(struct fy_watch *watch)
{
	while (watch) {
		struct fy_watch *next = watch->next;
		watch->linked = false;
		work.notices++;
		watch->notify(watch);
		watch = next;
	}
}

static void unlock(ferry_future *future, struct fy_watch *head)
{
	uintptr_t links;

	do {
		/* LOCK, the head as it was, and COMPLETED from now on or not */
		links = load_links(future);
		if (links & COMPLETED) {
			fire(head);
			head = NULL;
		}
	} while (!cas_links(future, links, (uintptr_t)head | (links & COMPLETED)));
	fy_later_run();
}

/* ---- watches ----------------------------------------------------------------- */

void fy_watch_completed(ferry_future *future)
{
	uintptr_t links;

	do {
		links = load_links(future);
	} while (!cas_links(future, links, links | BITS));
	if (!(links & LOCK))
		unlock(future, (struct fy_watch *)(links & ~BITS));
}

void fy_watch_add(struct fy_watch *watch)
{
	ferry_future *future = watch->future;
	struct fy_watch *head = lock(future);

	watch->next = head;
	watch->previous = NULL;
	watch->linked = true;
	if (head)
		head->previous = watch;
	work.links++;
	unlock(future, watch);
	if (fy_or_32(&future->state, FY_FUTURE_WATCHED) & FY_FUTURE_DONE)
		fy_watch_completed(future);
}

/* Under the lock; the new head. */
static struct fy_watch *unlink_watch(struct fy_watch *watch, struct fy_watch *head)
{
	watch->linked = false;
	work.links++;
	if (watch->next)
		watch->next->previous = watch->previous;
	if (!watch->previous)
		return watch->next;
	watch->previous->next = watch->next;
	return head;
}

void fy_watch_remove(struct fy_watch *watch)
{
	struct fy_watch *head = lock(watch->future);

	if (watch->linked)
		head = unlink_watch(watch, head);
	unlock(watch->future, head);
}

bool fy_watch_try_remove(struct fy_watch *watch)
{
	struct fy_watch *head;
	bool linked;

	if (!try_lock(watch->future, &head))
		return false;
	linked = watch->linked;
	if (linked)
		head = unlink_watch(watch, head);
	unlock(watch->future, head);
	return linked;
}

/* ---- ferry_wait_any ------------------------------------------------------------ */

/* The waiter's own future, on its stack: the first watch that fires completes it. */
struct any {
	ferry_future first;
	size_t index;
};

static void any_notify(struct fy_watch *watch)
{
	struct any *any = watch->owner;

	if (!fy_future_claim(&any->first))
		return;
	any->index = watch->index;
	fy_future_finish(&any->first, FERRY_OK);
}

static bool find_done(ferry_future *const *futures, size_t count, size_t *index_p)
{
	for (size_t i = 0; i < count; i++)
		if (futures[i] && fy_future_is_done(futures[i])) {
			*index_p = i;
			return true;
		}
	return false;
}

/* Watch the futures until one is done, then sleep. FERRY_OK, or FERRY_PENDING, FERRY_EDEADLK. */
static int watch_and_wait(ferry_future *const *futures, size_t count, int64_t until,
                          struct fy_watch *watches, struct any *any)
{
	size_t watched = 0;
	int rc;

	for (size_t i = 0; i < count && !fy_future_is_done(&any->first); i++) {
		if (!futures[i])
			continue;
		watches[watched] = (struct fy_watch){
			.future = futures[i], .notify = any_notify, .owner = any, .index = i
		};
		fy_watch_add(&watches[watched++]);
	}
	rc = fy_future_wait_until(&any->first, until);
	while (watched > 0)
		fy_watch_remove(&watches[--watched]);
	/* It may have fired between the timeout and its removal. */
	return fy_future_is_done(&any->first) ? FERRY_OK : rc;
}

static int check_any(ferry_future *const *futures, size_t count, int64_t timeout)
{
	if (!futures || count == 0)
		return fy_fail(FERRY_EINVAL,
		               "ferry_wait_any needs at least one future to wait for");
	if (!fy_timeout_ok(timeout))
		return fy_fail(FERRY_EINVAL,
		               "the timeout is %lld ns; give 0, a positive time or FERRY_FOREVER",
		               (long long)timeout);
	return FERRY_OK;
}

static const ferry_future *first_of(ferry_future *const *futures, size_t count)
{
	size_t i = 0;

	while (i < count && !futures[i])
		i++;
	return i < count ? futures[i] : NULL;
}

/* The next step of every one of them is queued behind the caller. */
static bool wait_is_vain(ferry_future *const *futures, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (futures[i] && fy_compose_may_wait(futures[i]) == FERRY_OK)
			return false;
	return true;
}

/* All engines among them: waiting for one's own is never right. */
static int check_deadlock(ferry_future *const *futures, size_t count)
{
	ferry *seen = NULL;

	for (size_t i = 0; i < count; i++) {
		if (!futures[i] || futures[i]->engine == seen)
			continue;
		seen = futures[i]->engine;
		int rc = fy_future_may_wait(seen);
		if (rc < 0)
			return rc;
	}
	return wait_is_vain(futures, count) ? FERRY_EDEADLK : FERRY_OK;
}

/* One that is done by then: FERRY_OK and its index, or why there is none. */
static int await_any(ferry_future *const *futures, size_t count, int64_t timeout, size_t *index_p)
{
	struct fy_watch few[WATCHES_ON_STACK], *watches = few;
	struct any any = { .first = { .state = FY_FUTURE_REF,
		                      .engine = first_of(futures, count)->engine } };
	int64_t until = fy_until(fy_now(), timeout);
	int rc = check_deadlock(futures, count);

	if (rc < 0)
		return rc;
	if (count > WATCHES_ON_STACK && !(watches = malloc(count * sizeof *watches)))
		return fy_fail(FERRY_ENOMEM, "no memory to wait for %zu futures", count);
	rc = watch_and_wait(futures, count, until, watches, &any);
	if (watches != few)
		free(watches);
	if (rc == FERRY_OK)
		*index_p = any.index;
	return rc;
}

int ferry_wait_any(ferry_future *const *futures, size_t count, int64_t timeout, size_t *index_p)
{
	size_t index = SIZE_MAX; /* of nothing */
	int rc = check_any(futures, count, timeout);

	if (rc < 0)
		return rc;
	if (first_of(futures, count) && !find_done(futures, count, &index)) {
		rc = timeout == 0 ? FERRY_PENDING : await_any(futures, count, timeout, &index);
		if (rc != FERRY_OK)
			return rc;
	}
	if (index_p)
		*index_p = index;
	return index == SIZE_MAX ? FERRY_OK : fy_future_outcome(futures[index]);
}
