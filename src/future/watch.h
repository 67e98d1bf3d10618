/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches: they tell that a future is done, without a scan. Any thread.
 *
 * A watch is an item of the list in the future's `links` word. It fires once, when the future
 * completes, or it is removed before that. The word has the head of the list and two bits:
 *
 *   LOCK       a thread changes the list, or walks through it. Watchers that find it set wait;
 *              completers do not.
 *   COMPLETED  the future is done: the thread that unlocks fires the watches in the list.
 *
 * A completer sets both bits in one step. If LOCK was clear the completer has the lock, and walks
 * through the list. If a watcher has the lock, that watcher sees COMPLETED when it unlocks, and
 * walks through the list on its own thread. So a completer never waits for a preempted thread.
 * While LOCK is set other threads change only COMPLETED, which is set once and stays.
 *
 * A completer looks at the word only when the state has WATCHED. A watcher sets WATCHED after its
 * watch is in the list. If the same atomic step tells it that the future was DONE before, it does
 * the completer's part itself.
 *
 * Watches fire under the lock of the future: `notify` must be short, must not touch any watch, and
 * leaves the rest to fy_later.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"

struct fy_watch {
	struct fy_watch *next, *previous; /* under the lock of the future */
	bool linked;                      /* under that lock, too */
	ferry_future *future; /* constant, as is the rest; the watcher keeps a reference */
	void (*notify)(struct fy_watch *watch);
	void *owner;
	size_t index;
};

/* Have notify called once `future` is done: on this thread if it is done already, else on the
 * thread that completes it. */
void fy_watch_add(struct fy_watch *watch);
/* Afterwards the watch does not fire any more, and nobody touches it. May wait for a thread that
 * fires it. */
void fy_watch_remove(struct fy_watch *watch);
/* Never waits. True: the watch was removed and will not fire. False: it has fired, is firing, or
 * another thread has the lock. */
bool fy_watch_try_remove(struct fy_watch *watch);
/* The completer's part, after DONE was set and WATCHED was seen. */
void fy_watch_completed(ferry_future *future);

/* How much this thread did, for tests of the bound: items that it put into lists or took out, and
 * watches that it fired. */
struct fy_watch_work {
	uint64_t links;
	uint64_t notices;
};
struct fy_watch_work *fy_watch_work(void);
