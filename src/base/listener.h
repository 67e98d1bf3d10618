/* SPDX-License-Identifier: Apache-2.0 */
/* The function of the program's that gets the lines of the log, if there is one (ferry_log_to).
 * Any thread. */
#pragma once

#include <stdbool.h>

/* Would a line of this thread get to such a function? A hint, for a caller that would write the
 * line for nobody else. */
bool fy_listener_is_there(void);
/* Is this thread inside of such a function? */
bool fy_listener_is_inside(void);
/* Give it this line. False: there is none, or it must not run here; the line is the caller's. */
bool fy_listener_take(int level, const char *line);
