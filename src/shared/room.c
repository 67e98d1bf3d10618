/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room for posters: long bodies that are not sent yet, and the word on which posters sleep.
 * Posters wait, the helm tells.
 */
#include "shared/room.h"

#include "ferry.h"
#include "shared/engine.h"

void fy_room_nudge(ferry *engine)
{
	fy_room_tell(engine);
	fy_engine_notify(engine);
}
