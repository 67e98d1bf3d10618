/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Colours of records, by which fences tell records of before from those of after (agree.c). Only
 * the holder of the helm may call.
 */
#include "helm/colour.h"

#include <stdbool.h>

#include "base/order.h"
#include "helm/lanes.h"
#include "helm/progress.h"
#include "helm/replies.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "shared/lane.h"

void fy_colour_change(struct fy_progress *p)
{
	fy_replies_collect(p); /* replies that are waiting have the colour of before */
	for (struct fy_lane *lane = p->lanes.active; lane; lane = lane->next)
		lane->marks.fence = lane->marks.agree;
	p->link.counts.colour ^= 1;
	fy_channel_new_colour(&p->link);
}

bool fy_colour_has_left(struct fy_progress *p, unsigned colour)
{
	fy_replies_collect(p);
	return !p->queues.of[colour] && !p->replies.of[colour] && !p->link.counts.awaited[colour] &&
	       fy_lanes_are_drained(p, colour);
}

/* Has everything that was posted before the agreement began left for its peer? */
bool fy_colour_all_left(struct fy_progress *p)
{
	if (p->drain.broke_off || p->queues.first || p->replies.first ||
	    fy_load_relaxed_ptr(&p->link.engine->inboxes.replies.head))
		return false;
	return !fy_load_relaxed_ptr(&p->link.engine->inboxes.lanes.head) &&
	       fy_lanes_are_drained(p, 0) && fy_lanes_are_drained(p, 1);
}
