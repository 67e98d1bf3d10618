/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_COMMAND_H
#define FY_HELM_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/inbox.h"

struct fy_progress;

/* Commands that are not done. */
struct fy_commands {
	struct fy_command *first, *last;
	bool press; /* one of them waits for something other than an agreement */
};

/* A request to the helm from another thread, which waits for it. Each step calls `run` until it
 * returns true. */
struct fy_command {
	bool (*run)(struct fy_progress *progress, struct fy_command *command);
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

#endif
