/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_OWED_H
#define FY_HELM_OWED_H

#include <stdbool.h>

struct fy_channel;
struct fy_progress;

void fy_owed_put(struct fy_progress *p, struct fy_channel *ch);
bool fy_owed_any(const struct fy_channel *ch);

#endif
