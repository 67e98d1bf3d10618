/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_COMMAND_H
#define FY_HELM_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/inbox.h"

struct fy_progress;

/* What other threads asked for. */
struct fy_commands {
	struct fy_command *first, *last;
	bool press; /* one of them waits for something else than an agreement */
};

/* A request to the helm from another thread, which waits for it. `run` is called between
 * steps' phases; it returns false to be asked again at the next step. */
struct fy_command {
	bool (*run)(struct fy_progress *progress, struct fy_command *command);
	void *arg;
	int status;
	bool patient;  /* set by run, with false: it waits for the agreement that is going on */
	uint32_t done; /* futex: 0, then 1 by the helm (release), read by the waiter (acquire) */
	struct fy_command *next;
	fy_inbox_entry entry;
};
void fy_command_step(struct fy_progress *p);
/* Commands that wait for something end with `status`. */
void fy_command_fail_all(struct fy_progress *p, int status);

#endif
