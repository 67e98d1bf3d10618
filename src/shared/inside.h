/* SPDX-License-Identifier: Apache-2.0 */
/* What runs with the helm: engine->end.inside. The holder of the helm writes it. */
#pragma once

#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "shared/engine.h"

/* Beside the op of an inline handler. */
#define FY_INSIDE_NOTHING 0xFFFFFFFFu
#define FY_INSIDE_CALLBACK 0xFFFFFFFEu
#define FY_INSIDE_END 0xFFFFFFFDu /* the engine is taken apart */

/* Around other code of the program than handlers. Pass what this returns to fy_inside_end. */
static inline uint32_t fy_inside_begin(ferry *engine)
{
	uint32_t before = fy_load_relaxed_32(&engine->end.inside);
	fy_store_relaxed_32(&engine->end.inside, FY_INSIDE_CALLBACK);
	return before;
}

static inline void fy_inside_end(ferry *engine, uint32_t before)
{
	fy_store_relaxed_32(&engine->end.inside, before);
}
