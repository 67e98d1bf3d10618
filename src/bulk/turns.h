/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_BULK_TURNS_H
#define FY_BULK_TURNS_H

#include <stdbool.h>
#include <stdint.h>

struct fy_flow;
struct fy_bulk;

/* Large messages whose chunks use tags, in that order (turns.c). */
struct fy_turns {
	struct fy_flow *first, *last;
	/* all of their chunks that are not finished have numbers from low to below high */
	uint64_t low, high;
};

/* It has a turn from now on, behind all others; or its turn is over. */
void fy_turns_take(struct fy_turns *turns, struct fy_flow *flow);
void fy_turns_leave(struct fy_turns *turns, struct fy_flow *flow);
/* May its next chunk use its tag now? */
bool fy_turns_tag_free(struct fy_bulk *bulk, struct fy_turns *turns, const struct fy_flow *flow);
/* Are the tags from number `low` to what is before `end` different ones, and of no unfinished chunk
 * with a turn? */
bool fy_turns_single(struct fy_bulk *bulk, struct fy_turns *turns, uint64_t low, uint64_t end);

#endif
