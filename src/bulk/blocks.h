/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for what is large, used again. See blocks.c. */
#ifndef FY_BULK_BLOCKS_H
#define FY_BULK_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

struct fy_block;
struct fy_bulk;

#define FY_BLOCK_SIZES (8u * 48) /* eight between two powers of two, from 64 KiB on */

/* What is kept: the helm's. */
struct fy_blocks {
	struct fy_block *newest, *oldest; /* all of them, by the time at which they came back */
	struct fy_block *sizes[FY_BLOCK_SIZES]; /* those of one size, newest first */
	uint64_t made;                          /* how many came from malloc: tests count them */
};

/* By the holder of the helm. Memory for free(), or for fy_block_put. `beside`: what the same
 * message was given before, fy_block_size of it. NULL: no memory. */
void *fy_blocks_get(struct fy_bulk *bulk, size_t nbytes, uint64_t beside);
/* By the holder of the helm, once a step while blocks are kept: what nobody wanted for a while is
 * given back. */
void fy_blocks_step(struct fy_bulk *bulk);
/* At the very end: all that is kept is given back. */
void fy_blocks_free(struct fy_bulk *bulk);

#endif
