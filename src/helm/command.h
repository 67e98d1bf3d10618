/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/inbox.h"

struct fy_progress;

/* Commands that are not done. */
struct fy_commands {
	struct fy_command *first, *last;
	bool press; /* one of them waits for something other than an agreement */
};

/* What a command does. Each step calls it until it returns true. */
typedef bool fy_command_fn(struct fy_progress *progress, struct fy_command *command);

/* A request to the helm from another thread, which waits for it. */
struct fy_command {
	fy_command_fn *run;
	void *arg;
	int status;
	bool patient;  /* set by a run that returns false: it waits for an agreement */
	uint32_t done; /* futex: set to 1 by the helm (release), read by the waiter (acquire) */
	struct fy_command *next;
	fy_inbox_entry entry;
};
void fy_command_step(struct fy_progress *p);
/* End all commands that are not done with `status`. */
void fy_command_fail_all(struct fy_progress *p, int status);
