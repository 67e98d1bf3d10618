/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct fy_handler;
struct fy_progress;

#define FY_OPS_DIRECT 256
#define FY_OPS_HASHED 64

/* Handlers by op. */
struct fy_handlers {
	struct fy_handler *direct[FY_OPS_DIRECT];
	struct fy_handler *hashed[FY_OPS_HASHED];
	/* how many messages executors got; engine->told.handled_elsewhere: how many are handled */
	uint64_t given;
};
struct fy_handler **fy_handlers_place(struct fy_progress *p, uint32_t op);
void fy_handlers_free_list(struct fy_handler **at);
struct fy_handler *fy_handlers_find(const struct fy_progress *p, uint32_t op);
