/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lanes that the step looks at: those whose threads post. Idle ones leave the list. Only the
 * holder of the helm may call.
 */
#include "helm/lanes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/order.h"
#include "helm/progress.h"
#include "helm/put.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "shared/message.h"
#include "wire/record.h"

/* Put a lane that became active into the list. */
static void list_lane(struct fy_progress *p, struct fy_lane *lane)
{
	lane->next = p->lanes.active;
	p->lanes.active = lane;
	if (lane->life.known)
		return;
	lane->life.known = 1;
	lane->all_next = p->lanes.all;
	p->lanes.all = lane;
}

void fy_lanes_list(struct fy_progress *p)
{
	fy_inbox_each (entry, fy_inbox_take(&p->link.engine->inboxes.lanes)) {
		struct fy_lane *lane = fy_container_of(entry, struct fy_lane, entry);
		list_lane(p, lane);
	}
}

/* Before a long sleep all lanes leave the list, so that later steps do not look at those whose
 * threads rest. A thread's next post lists its lane again. */
void fy_lanes_delist(struct fy_progress *p)
{
	struct fy_lane *lane;
	while ((lane = p->lanes.active)) {
		p->lanes.active = lane->next;
		lane->next = p->lanes.delisted;
		p->lanes.delisted = lane;
		fy_store_release_32(&lane->listed, 0);
	}
}

/* Called behind the barrier. What was posted meanwhile is seen here, or its poster sees `listed` at
 * 0. */
bool fy_lanes_relist(struct fy_progress *p)
{
	bool any = false;
	while (p->lanes.delisted) {
		struct fy_lane *lane = p->lanes.delisted;
		p->lanes.delisted = lane->next;
		if (!fy_lane_has_work(lane) && !fy_load_acquire_32(&lane->life.left))
			continue;
		if (fy_swap_32(&lane->listed, 1) == 0) {
			list_lane(p, lane);
			any = true;
		}
	}
	return any;
}

static bool has_more(struct fy_progress *p, bool lacking_too)
{
	if (fy_inbox_any(&p->link.engine->inboxes.lanes) ||
	    fy_inbox_any(&p->link.engine->inboxes.replies) || p->replies.first)
		return true;
	for (struct fy_lane *lane = p->lanes.active; lane; lane = lane->next)
		if ((lacking_too || !lane->turn.lacks_room) && fy_lane_has_work(lane))
			return true;
	return false;
}

bool fy_lanes_have_work(struct fy_progress *p)
{
	return has_more(p, true);
}

bool fy_lanes_have_input(struct fy_progress *p)
{
	return has_more(p, false);
}

/* The lane's thread has exited: give back the engine's reference. The thread may still be about to
 * look whether the engine has stopped (fy_own_lane_left); `gone` tells it that this is done. */
void fy_lanes_forget(struct fy_progress *p, struct fy_lane *lane)
{
	struct fy_lane **at = &p->lanes.all;
	while (*at != lane)
		at = &(*at)->all_next;
	*at = lane->all_next;
	fy_store_release_32(&lane->life.let_go, 1);
	fy_lane_release(lane);
}

/* The lane that found no room is the first in the next step, so that under shortage no lane always
 * is. */
void fy_lanes_turn_to(struct fy_progress *p, struct fy_lane *lane)
{
	struct fy_lane *first = p->lanes.active, *before = first, *last = lane;
	if (!lane || first == lane)
		return;
	while (before->next != lane)
		before = before->next;
	while (last->next)
		last = last->next;
	p->lanes.active = lane;
	before->next = NULL;
	last->next = first;
}

/* Move a lane to the end of the list. Not only behind the first one, because fy_lanes_turn_to may
 * change which one that is. */
void fy_lanes_move_last(struct fy_progress *p, struct fy_lane *lane)
{
	struct fy_lane **at = &p->lanes.active;
	while (*at != lane)
		at = &(*at)->next;
	*at = lane->next;
	lane->next = NULL;
	while (*at)
		at = &(*at)->next;
	*at = lane;
}

void fy_lanes_mark(struct fy_progress *p)
{
	fy_lanes_list(p);
	for (struct fy_lane *lane = p->lanes.active; lane; lane = lane->next)
		lane->marks.agree = fy_load_acquire_64(&lane->tail);
}

/* Has everything left its lane that was posted before the agreement began, or by handlers of that
 * colour that have returned? */
bool fy_lanes_are_drained(struct fy_progress *p, unsigned colour)
{
	fy_lanes_list(p);
	for (struct fy_lane *lane = p->lanes.active; lane; lane = lane->next)
		if ((int64_t)(lane->head - lane->marks.agree) < 0 ||
		    (int64_t)(lane->head - fy_load_acquire_64(&lane->handler_end[colour])) < 0)
			return false;
	return true;
}

static void abandon_lane(struct fy_progress *p, struct fy_lane *lane, int status)
{
	uint64_t head = lane->head;
	fy_lane_has_work(lane);
	while (head < lane->tail_seen) {
		const struct fy_record *r = fy_lane_at(lane, head);
		if (r->size_flags == FY_KIND_PAD) {
			head = (head | (FY_LANE_BYTES - 1)) + 1;
			continue;
		}
		head += fy_record_size(r->size_flags);
		fy_put_fail(p, r, status, "the engine stopped before it was sent");
	}
	fy_lane_consume(lane, head);
}

/* At the very end: fail what is left in lanes. */
void fy_lanes_abandon(struct fy_progress *p, int status)
{
	fy_lanes_list(p);
	while (p->lanes.all) {
		struct fy_lane *lane = p->lanes.all;
		abandon_lane(p, lane, status);
		p->lanes.all = lane->all_next;
		fy_store_release_32(&lane->life.let_go, 1);
		fy_lane_nudge(lane);
		fy_lane_release(lane);
	}
	p->lanes.active = NULL;
	while (p->replies.first) {
		ferry_message *m = p->replies.first;
		p->replies.first = m->next;
		ferry_message_release(m);
	}
	p->replies.last = NULL;
}
