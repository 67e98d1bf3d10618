/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room for posters: long bodies that are not sent yet, and the word on which posters sleep.
 * Posters wait, the helm tells.
 */
#include "shared/room.h"

#include <limits.h>

#include "ferry.h"
#include "base/futex.h"
#include "base/order.h"
#include "shared/engine.h"

void fy_room_nudge(ferry *engine)
{
	fy_add_32(&engine->room, 1);
	fy_futex_wake(&engine->room, INT_MAX, false);
	fy_engine_notify(engine);
}
