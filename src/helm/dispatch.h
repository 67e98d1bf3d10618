/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_DISPATCH_H
#define FY_HELM_DISPATCH_H

#include <stdbool.h>

struct fy_channel;
struct fy_progress;
struct fy_slot;

bool fy_dispatch_records(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot);

#endif
