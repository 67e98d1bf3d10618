/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_SHARED_SHELL_H
#define FY_SHARED_SHELL_H

#include "ferry.h"

void fy_shell_rest(ferry *e);
void fy_shell_put_unseen(ferry *e);
ferry *fy_shell_get(void);

#endif
