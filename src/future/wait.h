/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "ferry.h"

/* Wait like ferry_future_wait, until an absolute time (monotonic ns). The future may be on the
 * stack. A failure leaves its text in ferry_last_error(). */
int fy_wait_until(ferry_future *future, int64_t until);
