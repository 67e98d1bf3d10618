/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns: chunks, their numbers, and their tags. Only the holder of the helm may call.
 *
 * The chunks from one rank to another are numbered from 0 on, in the order of the announcements.
 * Chunk number c has the tag 1 + c % tag_span, by which its receive is matched without a header.
 * With MPI's usual 2^28 tags two chunks under way never have the same tag. An MPI may have as few
 * as 32767, which is 8 GiB of chunks, and a message may wait for its grant for any time. So, where
 * tags repeat:
 *
 *  - Messages get a turn, on both sides: prepaid ones when they are announced, others when they are
 *    granted. A chunk is not sent, and its receive is not posted, while another chunk with the same
 *    tag is unfinished, of a message with an earlier turn or of the same message. So each tag is
 *    used in the same order on both sides.
 *  - Both sides give turns in the same order, as far as it matters. Grants arrive in the order in
 *    which they were given, and a prepaid announcement is seen before those behind it. Only a
 *    prepaid message, and an earlier one that is granted just now, could get their turns in
 *    different orders. Therefore a message is prepaid only if its tags are not those of any
 *    unfinished chunk, granted or not.
 *  - Nothing waits for a message without a grant, so a reply never waits for a request that has no
 *    memory yet. A message with a turn ends by itself, and waits only for earlier turns.
 *
 * fy_turns knows two numbers between which all unfinished chunks are. While the distance of these
 * is no larger than the number of tags, nothing has to be looked at. The lower number is brought up
 * to date only when the distance is larger.
 */
#include "bulk/turns.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "bulk/flow.h"
#include "bulk/bulk.h"

static bool has_tag(const struct fy_bulk *bulk, const struct fy_flow *flow, uint64_t number)
{
	uint64_t span = (uint64_t)bulk->tag_span, low = fy_flow_lowest(flow);
	uint64_t ahead = (number % span + span - low % span) % span;
	return ahead < flow->end - low;
}

static void widen(struct fy_turns *turns, const struct fy_flow *flow)
{
	uint64_t low = fy_flow_lowest(flow);
	bool none = turns->low == turns->high;
	if (none || low < turns->low)
		turns->low = low;
	if (none || flow->end > turns->high)
		turns->high = flow->end;
}

static void look_again(struct fy_turns *turns)
{
	turns->low = turns->high = 0;
	for (const struct fy_flow *f = turns->first; f; f = f->turn_next)
		widen(turns, f);
}

void fy_turns_take(struct fy_turns *turns, struct fy_flow *flow)
{
	struct fy_flow **last = turns->last ? &turns->last->turn_next : &turns->first;
	flow->turn_next = NULL;
	flow->turn_here = last;
	*last = flow;
	turns->last = flow;
	widen(turns, flow);
}

static struct fy_flow *flow_before(struct fy_turns *turns, const struct fy_flow *flow)
{
	if (flow->turn_here == &turns->first)
		return NULL;
	return fy_container_of(flow->turn_here, struct fy_flow, turn_next);
}

void fy_turns_leave(struct fy_turns *turns, struct fy_flow *flow)
{
	if (!flow->turn_here)
		return;
	if (turns->last == flow)
		turns->last = flow_before(turns, flow);
	*flow->turn_here = flow->turn_next;
	if (flow->turn_next)
		flow->turn_next->turn_here = flow->turn_here;
	flow->turn_here = NULL;
}

static bool are_few(const struct fy_bulk *bulk, const struct fy_turns *turns)
{
	return turns->high - turns->low <= (uint64_t)bulk->tag_span;
}

bool fy_turns_tag_free(struct fy_bulk *bulk, struct fy_turns *turns, const struct fy_flow *flow)
{
	if (are_few(bulk, turns))
		return true;
	look_again(turns);
	if (are_few(bulk, turns))
		return true;
	for (const struct fy_flow *f = turns->first; f != flow; f = f->turn_next)
		if (has_tag(bulk, f, flow->at.number))
			return false;
	return flow->at.number - fy_flow_lowest(flow) < (uint64_t)bulk->tag_span;
}

bool fy_turns_single(struct fy_bulk *bulk, struct fy_turns *turns, uint64_t low, uint64_t end)
{
	uint64_t span = (uint64_t)bulk->tag_span;
	if (!turns->first)
		return end - low <= span;
	if (end - (turns->low < low ? turns->low : low) <= span)
		return true;
	look_again(turns);
	return end - (turns->low < low ? turns->low : low) <= span;
}
