/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_ARRIVALS_H
#define FY_HELM_ARRIVALS_H

#include <stdbool.h>

struct fy_progress;

bool fy_arrivals_look(struct fy_progress *p);
void fy_arrivals_paused(struct fy_progress *p);

#endif
