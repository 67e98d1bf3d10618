/* SPDX-License-Identifier: Apache-2.0 */
/* What this process knows of a rank, as its answer. */
#pragma once

#include "ferry.h"

struct fy_answer;
struct fy_query_place;

/* What the engine's own file says. Any thread. */
void fy_query_tell(const struct fy_query_place *place, int rank, int size,
                   struct fy_answer *answer);
/* From now on the engine reports to other ranks on itself, and on those of its host that are silent.
 * With the helm, or before the loop begins. `place` lives as long as the engine. */
void fy_query_tell_others(ferry *engine, const struct fy_query_place *place);
