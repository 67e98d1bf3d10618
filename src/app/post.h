/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ferry.h"

struct fy_lane;

struct fy_post {
	ferry *engine;
	struct fy_lane *lane;
	uint32_t kind; /* FY_KIND_POST or FY_KIND_CALL */
	int rank;
	uint32_t op;
	const void *body;
	size_t nbytes;
	ferry_message *message; /* instead of body */
	ferry_counter *counter; /* of a post without a future, or NULL */
	int64_t timeout;
	uint32_t flags; /* more FY_FUTURE_* for its future */
};
int fy_post(const struct fy_post *post, ferry_future **future_p);
/* Post a flush of one rank, or of all (FERRY_ALL, a record to the helm itself), with a future. */
int fy_post_flush(ferry *engine, struct fy_lane *lane, int rank, int64_t timeout,
                  ferry_future **future_p);
/* Post a record FY_OP_START to the helm itself. Its body is copied. `flags`: more FY_FUTURE_* for
 * its future. */
int fy_post_start(ferry *engine, const void *body, size_t nbytes, uint32_t flags,
                  ferry_future **future_p);
/* The same in two parts, if there is room now. The first returns the place of the record's body,
 * which the caller fills in before it calls the second. NULL: use fy_post_start. */
void *fy_post_start_begin(ferry *engine, size_t nbytes, ferry_future **future_p);
int fy_post_start_end(ferry *engine, size_t nbytes, ferry_future *future, ferry_future **future_p);
int fy_post_message(ferry *engine, int rank, ferry_message *message, ferry_future **future_p);
