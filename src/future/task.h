/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task: something to run once on an executor. It is a member of what it belongs to (a future, a
 * message), so that queueing it cannot fail. Whoever owns that struct may use it.
 */
#pragma once

#include "base/inbox.h"

struct fy_task {
	void (*run)(struct fy_task *task);
	struct fy_task *next; /* of whoever has it in a list: a backlog, the helm */
	fy_inbox_entry entry; /* its place in a lock-free inbox */
};
