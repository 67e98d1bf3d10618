/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for what is large, used again. See block.c. */
#ifndef FY_BLOCK_H
#define FY_BLOCK_H

#include <stddef.h>
#include <stdint.h>

struct ferry;
struct fy_progress;
struct fy_block;

#define FY_BLOCK_MIN (64u << 10) /* smaller ones malloc finds as fast */
#define FY_BLOCK_SIZES (8u * 48) /* eight between two powers of two, from 64 KiB on */

/* What is kept: the helm's. */
struct fy_blocks {
	struct fy_block *newest, *oldest; /* all of them, by the time at which they came back */
	struct fy_block *sizes[FY_BLOCK_SIZES]; /* those of one size, newest first */
	uint64_t made;                          /* how many came from malloc: tests count them */
};

/* By the holder of the helm. Memory for free(), or for fy_block_put. `beside`: what the same
 * message was given before, fy_block_room of it. NULL: no memory. */
void *fy_block_get(struct fy_progress *p, size_t nbytes, uint64_t beside);
/* What a block for `nbytes` takes of the budget. */
size_t fy_block_room(const struct ferry *engine, size_t nbytes);
/* Any thread: `data` came from fy_block_get for so many bytes, or is NULL, or is smaller than
 * FY_BLOCK_MIN and came from malloc. It is no longer used. */
void fy_block_put(struct ferry *engine, void *data, size_t nbytes);
/* By the holder of the helm, once a step: what nobody wanted for a while is given back. */
void fy_block_step(struct fy_progress *p);
/* The engine ends: all of it is given back, also what others put from now on until the engine
 * struct goes. */
void fy_block_free_all(struct ferry *engine);

#endif
