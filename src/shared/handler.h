/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_SHARED_HANDLER_H
#define FY_SHARED_HANDLER_H

#include <stdint.h>

#include "ferry.h"

struct fy_task;

struct fy_handler {
	uint32_t op;
	ferry_executor *where;
	ferry_handler_fn *fn;
	void *arg;
	/* memory: the table's, each message's in its executor, a waiter's: atomic add */
	uint32_t refs;
	uint32_t running; /* futex: threads of its executor inside it: atomic add */
	uint32_t closed;  /* set by the helm (swap): what is queued goes to the mailbox instead */
	struct fy_handler *next;
};
void fy_handler_after(ferry_message *m);
void fy_handler_run(struct fy_task *task);

/* The tag that what this thread posts to the engine has: that of the handler that it is in,
 * or 0. */
uint32_t fy_handler_tag_here(const ferry *engine);
void fy_handler_release(struct fy_handler *handler);
/* How often this thread is inside of it, by way of an executor. */
uint32_t fy_handler_runs_here(const struct fy_handler *handler);

#endif
