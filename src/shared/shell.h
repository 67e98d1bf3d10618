/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "ferry.h"

/* Where the struct stands among those that are closed. */
struct fy_shelf {
	ferry *next;    /* in the list of closed engines, under its lock */
	bool is_unseen; /* its open failed: no thread but the opening one ever had it */
};

void fy_shell_rest(ferry *e);
void fy_shell_put_unseen(ferry *e);
ferry *fy_shell_get(void);
