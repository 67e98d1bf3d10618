/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* Monotonic time in ns. */
int64_t fy_clock_now(void);
/* Since 1970, in ns. It may jump. */
int64_t fy_clock_wall(void);
/* Processor time of all threads of this process. */
int64_t fy_clock_process(void);
