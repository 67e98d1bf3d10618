/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_LOOP_H
#define FY_HELM_LOOP_H

#include "ferry.h"

/* The loop of the progress thread. Returns when the engine has stopped. */
void fy_loop_run(ferry *engine);

#endif
