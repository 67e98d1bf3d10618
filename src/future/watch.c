/* SPDX-License-Identifier: Apache-2.0 */
/* Watches: a future's list of those that want to know that it is done. watch.h has the protocol. */
#include "future/watch.h"

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "future/future.h"
#include "future/later.h"

#define LOCK ((uintptr_t)1)
#define COMPLETED ((uintptr_t)2)
#define BITS (LOCK | COMPLETED)
#define SPINS 64

static _Thread_local struct fy_watch_work work;

struct fy_watch_work *fy_watch_work(void)
{
	return &work;
}

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

/* For watchers only: this waits, and the thread that has the lock may be preempted. */
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
		/* only COMPLETED may have been set since the lock was taken */
		links = load_links(future);
		if (links & COMPLETED) {
			fire(head);
			head = NULL;
		}
	} while (!cas_links(future, links, (uintptr_t)head | (links & COMPLETED)));
	fy_later_run();
}

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

/* Called under the lock. Returns the new head. */
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
