/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

struct fy_task;

struct fy_handler {
	uint32_t op;
	ferry_executor *where; /* NULL: the holder of the helm runs it */
	bool anywhere;         /* constant, where is NULL: FERRY_ANYWHERE */
	ferry_handler_fn *fn;
	void *arg;
	/* atomic add: one of the table, one of each message in the executor, one of each thread
	 * that waits for its end */
	uint32_t refs;
	uint32_t running; /* futex: threads of its executor inside of it: atomic add by them */
	/* 1: queued messages go to the mailbox instead. Set by the helm (swap), or when the engine
	 * ends (release); read by threads of the executor (acquire) */
	uint32_t closed;
	struct fy_handler *next;
};
void fy_handler_after(ferry_message *m);
void fy_handler_run(struct fy_task *task);

/* The tag of what this thread posts to the engine: that of the handler that it is in, or 0. */
uint32_t fy_handler_tag_here(const ferry *engine);
void fy_handler_release(struct fy_handler *handler);
/* How often this thread is inside of the handler, run by executors. */
uint32_t fy_handler_runs_here(const struct fy_handler *handler);
