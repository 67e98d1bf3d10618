/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

struct fy_inbound;
struct fy_bulk;

struct fy_memory_handler {
	uint32_t op;
	ferry_memory_fn *fn;
	void *arg;
	struct fy_memory_handler *next;
};

int fy_memory_set(struct fy_bulk *bulk, uint32_t op, ferry_memory_fn *fn, void *arg);
int fy_memory_make_room(struct fy_bulk *bulk, struct fy_inbound *in);
bool fy_memory_sink(struct fy_bulk *bulk, struct fy_inbound *in);
