/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for large messages, used again. Everything here is the helm's; see blocks.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct fy_block;
struct fy_bulk;

#define FY_BLOCK_SIZES (8u * 48) /* eight between two powers of two, from 64 KiB on */

/* The kept blocks. */
struct fy_blocks {
	struct fy_block *newest, *oldest;       /* all, in the order in which they came back */
	struct fy_block *sizes[FY_BLOCK_SIZES]; /* by size, newest first */
	uint64_t made;                          /* how many were allocated; for tests */
};

/* Memory for `nbytes`, to be freed by free() or fy_block_put. `beside`: how much the same message
 * was given before, by fy_block_size. NULL: no memory. */
void *fy_blocks_get(struct fy_bulk *bulk, size_t nbytes, uint64_t beside);
/* Once a step while blocks are kept: give back those that were not used for a while. */
void fy_blocks_step(struct fy_bulk *bulk);
/* At the very end: give all kept blocks back. */
void fy_blocks_free(struct fy_bulk *bulk);
