/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches: telling somebody that a future is done, without a scan.
 *
 * A watch is a node in the list that hangs on the future's `links` word. It
 * fires once, when the future completes, or it is removed before. The word is
 * the head of the list and two bits:
 *
 *   LOCK       somebody changes the list, or walks it. Watchers that find it set
 *              wait (they may); completers do not.
 *   COMPLETED  the future is done: whoever unlocks fires what is in the list.
 *
 * A completer sets COMPLETED, and LOCK with it if that was clear. Had it the lock, it
 * walks the list; had a watcher the lock, that watcher sees COMPLETED when it
 * unlocks and walks the list on its own thread. So completing never
 * waits for a thread that was preempted. While LOCK is set nobody but its owner
 * changes anything but the bit COMPLETED, which is set once and stays.
 *
 * A completer looks at the word only when the state has WATCHED. A watcher
 * sets that bit after its node is in the list, and when the same atomic step
 * tells it that the future was DONE before, it does the completer's part itself.
 *
 * Firing happens under the lock of the future: `notify` must be short, must
 * not touch any watch, and leaves the rest to fy_later.
 */
#ifndef FY_FUTURE_WATCH_H
#define FY_FUTURE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"

struct fy_watch {
	struct fy_watch *next, *previous; /* under the lock of the future */
	bool linked;                      /* likewise */
	ferry_future *future; /* constant, the rest too; whoever watches keeps a reference */
	void (*notify)(struct fy_watch *watch);
	void *owner;
	size_t index;
};

/* Call notify once `future` is done: from here if it is, else by whoever completes it. */
void fy_watch_add(struct fy_watch *watch);
/* After it the watch will not fire any more, and nobody touches it. May wait for a thread that
 * fires it. */
void fy_watch_remove(struct fy_watch *watch);
/* True: it was removed and will not fire. False: it fired, fires, or somebody else is at the list.
 * Never waits. */
bool fy_watch_try_remove(struct fy_watch *watch);
/* The completer's part, after DONE was set and WATCHED was seen. */
void fy_watch_completed(ferry_future *future);

/* Work that this thread did, for tests of the bound: list entries put in or taken out, and
 * watches fired. */
struct fy_watch_work {
	uint64_t links;
	uint64_t notices;
};
struct fy_watch_work *fy_watch_work(void);

#endif
