/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ferry.h"

/* The loop of the progress thread. Returns when the engine has stopped. */
void fy_loop_run(ferry *engine);
