/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An inbox: any thread puts something in, without a lock and without waiting; one thread at a time
 * takes out all that is there. What the putter wrote before is seen by the taker. It is a stack
 * below, so the newest comes first unless it is asked for in order.
 */
#ifndef FY_BASE_INBOX_H
#define FY_BASE_INBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/order.h" /* chooses the back end of what follows */

#include <ck_stack.h>

typedef ck_stack_t fy_inbox;
typedef ck_stack_entry_t fy_inbox_entry; /* a member of what is put in */

static inline void fy_inbox_init(fy_inbox *inbox)
{
	ck_stack_init(inbox);
}

static inline void fy_inbox_put(fy_inbox *inbox, fy_inbox_entry *entry)
{
	ck_stack_push_upmc(inbox, entry);
}

/* Cheap, for one that looks often: it may miss what is just being put in. */
static inline bool fy_inbox_any(fy_inbox *inbox)
{
	return fy_load_relaxed_ptr(&inbox->head) != NULL;
}

/* All of it, the newest first. */
static inline fy_inbox_entry *fy_inbox_take(fy_inbox *inbox)
{
	return ck_stack_batch_pop_upmc(inbox);
}

/* All of it, in the order in which it was put in. */
static inline fy_inbox_entry *fy_inbox_take_in_order(fy_inbox *inbox)
{
	fy_inbox_entry *oldest = NULL, *next;
	for (fy_inbox_entry *entry = fy_inbox_take(inbox); entry; entry = next) {
		next = entry->next;
		entry->next = oldest;
		oldest = entry;
	}
	return oldest;
}

/* A loop over what was taken. The loop's body may free what `entry` is in, or put it elsewhere. */
#define fy_inbox_each(entry, taken)                          \
	for (fy_inbox_entry *entry = (taken), *entry##_next; \
	     entry && (entry##_next = entry->next, true); entry = entry##_next)

#endif
