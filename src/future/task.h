/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task: something to run once on an executor. It is embedded in what it
 * belongs to (a future, a message), so that queueing it cannot fail.
 */
#ifndef FY_FUTURE_TASK_H
#define FY_FUTURE_TASK_H

#include "base/inbox.h"

struct fy_task {
	void (*run)(struct fy_task *task);
	struct fy_task *next; /* whose queue it is in decides who writes it */
	fy_inbox_entry entry; /* its place in a lock-free inbox */
};

#endif
