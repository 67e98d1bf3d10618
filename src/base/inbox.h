/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An inbox: any thread puts an entry in, without a lock and without waiting; one thread at a time
 * takes out all entries. The taker sees what the putter wrote before. An inbox is a stack: the
 * newest entry comes first, unless the taker asks for their order.
 */
#pragma once

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

/* Cheap, for a thread that looks often. It may miss an entry that is just being put in. */
static inline bool fy_inbox_any(fy_inbox *inbox)
{
	return fy_load_relaxed_ptr(&inbox->head) != NULL;
}

/* All entries, the newest first. */
static inline fy_inbox_entry *fy_inbox_take(fy_inbox *inbox)
{
	return ck_stack_batch_pop_upmc(inbox);
}

/* All entries, in the order in which they were put in. */
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

/* A loop over what was taken. The loop's body may free the struct that `entry` is in, or put it
 * elsewhere. */
#define fy_inbox_each(entry, taken)                          \
	for (fy_inbox_entry *entry = (taken), *entry##_next; \
	     entry && (entry##_next = entry->next, true); entry = entry##_next)
