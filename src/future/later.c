/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thread does once it holds no lock of a future, in the order in which it came. Any thread;
 * each has its own list.
 */
#include "future/later.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

/* This thread's list. `later_runs`: fy_later_run is working on it further up the stack. */
static _Thread_local struct fy_later *first, *last;
static _Thread_local bool later_runs;

void fy_later(struct fy_later *later)
{
	later->next = NULL;
	fy_list_append(first, last, later);
}

void fy_later_run(void)
{
	struct fy_later *later;

	if (later_runs)
		return;
	later_runs = true;
	while ((later = first) != NULL) {
		fy_list_drop(first, last);
		later->run(later);
	}
	later_runs = false;
}
