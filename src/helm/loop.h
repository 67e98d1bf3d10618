/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "ferry.h"

/* The loop of the progress thread. Returns when the engine has stopped. */
void fy_loop_run(ferry *engine);
/* How often the engine has stepped: the holder of the helm writes it (relaxed). It is gone with the
 * engine. */
const uint64_t *fy_loop_steps(ferry *engine);
