/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fy_flow;
struct fy_bulk;

/* The turns of messages from one rank to another, one way (turns.c). */
struct fy_turns {
	struct fy_flow *first, *last;
	/* all unfinished chunks of these have numbers from low on and below high */
	uint64_t low, high;
};

/* Give a flow the last turn; and end its turn. */
void fy_turns_take(struct fy_turns *turns, struct fy_flow *flow);
void fy_turns_leave(struct fy_turns *turns, struct fy_flow *flow);
/* May the flow's next chunk use its tag now? */
bool fy_turns_tag_free(struct fy_bulk *bulk, struct fy_turns *turns, const struct fy_flow *flow);
/* Do chunks from number `low` on and below `end` have different tags, none of which is that of an
 * unfinished chunk with a turn? */
bool fy_turns_single(struct fy_bulk *bulk, struct fy_turns *turns, uint64_t low, uint64_t end);
