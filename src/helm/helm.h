/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

/* Take, try and give back the helm. */
bool fy_helm_try(ferry *engine);
void fy_helm_take(ferry *engine);
void fy_helm_give(ferry *engine);
/* For the progress thread, when another thread has the helm: sleep for at most `nap` ns if threads
 * drive. False: none does. */
bool fy_helm_stand_by(ferry *engine, int64_t nap);
