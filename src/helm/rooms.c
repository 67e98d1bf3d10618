/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling posters that there is room: by futures of ferry_room, and when long bodies were released.
 * Only the holder of the helm may call.
 */
#include "helm/rooms.h"

#include <stdbool.h>
#include <stddef.h>

#include "ferry.h"
#include "future/future.h"
#include "helm/progress.h"
#include "link/channel.h"
#include "shared/room.h"
#include "helm/peer.h"

/* What was released in this step, or between two steps. */
void fy_rooms_tell_freed(struct fy_progress *p)
{
	p->link.freed = false;
	fy_room_tell(&p->link.engine->room);
}

void fy_rooms_step(struct fy_progress *p)
{
	for (ferry_future **at = &p->rooms.first; *at;) {
		ferry_future *f = *at;
		struct fy_channel *ch = p->link.channels[f->id];
		bool full =
			fy_room_bodies_full(&p->link.engine->room, (int)f->id) ||
			(ch && (fy_peer_of(ch)->queue.full_raised || fy_peer_of(ch)->queue.first));
		if (full && !(ch && ch->gone)) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		fy_future_complete(f, ch ? ch->gone : 0, NULL);
		p->link.worked = true;
	}
}
