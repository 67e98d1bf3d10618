/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_LOOP_H
#define FY_HELM_LOOP_H

#include "ferry.h"

/* The thread's loop: until the engine has stopped. */
void fy_loop_run(ferry *engine);

#endif
