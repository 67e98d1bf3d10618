/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "helm/command.h"

struct fy_handler;
struct fy_progress;

struct fy_errand_deadline {
	ferry_future *future;
	int64_t when;
};

struct fy_errand_handler {
	struct fy_handler *handler; /* NULL: unregister */
	struct fy_handler *old;
	uint32_t op;
};

struct fy_errand_memory {
	uint32_t op;
	ferry_memory_fn *fn;
	void *arg;
};

struct fy_errand_fence {
	ferry_future *future;
	char why[200]; /* the fence cannot begin */
};

struct fy_errand_peer {
	int rank;
	const char *why;
};
#define FY_ERRANDS_LINE 900

/* The next two are for the holder of the helm. What this rank's close waits for, as a line: */
void fy_errands_report_close(ferry *engine, char *line, size_t nbytes);
/* End the engine without the other ranks. Any thread that is inside the engine, once. */
void fy_errands_abort(ferry *engine, int status);
/* Why the source of a note is gone. */
const char *fy_errands_read_note(const ferry_message *note, int *status_p);
/* fy_blocks_get, for mpi/: */
void *fy_errands_get_block(ferry *engine, size_t nbytes, uint64_t beside);

/* Begin the close of this rank, once no fence is going on. Each step of the close then calls
 * `look`, unless it is NULL. */
bool fy_errands_begin_close(struct fy_progress *p, struct fy_command *c, void (*look)(void *arg),
                            void *arg);
bool fy_errands_add_deadline(struct fy_progress *p, struct fy_command *c);
bool fy_errands_watch_peers(struct fy_progress *p, struct fy_command *c);
bool fy_errands_name_peer(struct fy_progress *p, struct fy_command *c);
bool fy_errands_set_handler(struct fy_progress *p, struct fy_command *c);
bool fy_errands_set_memory(struct fy_progress *p, struct fy_command *c);
bool fy_errands_join_fence(struct fy_progress *p, struct fy_command *c);
bool fy_errands_add_room(struct fy_progress *p, struct fy_command *c);
