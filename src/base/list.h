/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists that run through their items, and the struct that a member is in.
 *
 * A list is two pointers of its owner, `first` and `last`, both NULL when it is empty; each item
 * has a pointer to the next one. The macros take both pointers, which may have any names, and
 * evaluate them more than once. No thread safety.
 */
#pragma once

#include <stddef.h>

/* The struct of this type whose `member` is at `pointer`. */
#define fy_container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Put an item at the end. Its `next` is NULL already. */
#define fy_list_append(first, last, item) fy_list_join(first, last, item, item, next)
/* The same for a chain of items, linked by `link`, from `from` to `to`. The link of `to` is
 * NULL. */
#define fy_list_join(first, last, from, to, link)              \
	do {                                                   \
		*((last) ? &(last)->link : &(first)) = (from); \
		(last) = (to);                                 \
	} while (0)
/* Take the first item off. The list must not be empty. */
#define fy_list_drop(first, last) fy_list_drop_by(first, last, next)
/* The same for items that are linked by `link`. */
#define fy_list_drop_by(first, last, link) \
	do {                               \
		(first) = (first)->link;   \
		if (!(first))              \
			(last) = NULL;     \
	} while (0)
