/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for what is large, used again. See block.c. */
#ifndef FY_BLOCK_H
#define FY_BLOCK_H

#include <stddef.h>

struct ferry;
struct fy_progress;

/* By the holder of the helm. Memory for free(), or for fy_block_put. NULL: no memory. */
void *fy_block_get(struct fy_progress *p, size_t nbytes);
/* Any thread: `data` came from malloc or fy_block_get and is no longer used. */
void fy_block_put(struct ferry *engine, void *data, size_t nbytes);
/* By the holder of the helm: keep at most so much. */
void fy_block_trim(struct fy_progress *p, size_t most);
/* By the holder of the helm, once a step: what nobody wanted for a while is given back. */
void fy_block_step(struct fy_progress *p);
/* The engine ends: all of it is given back, also what others put from now on until the engine struct goes. */
void fy_block_free_all(struct ferry *engine);

#endif
