/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_POLICY_H
#define FY_HELM_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

struct fy_progress;

#define FY_SLEEP_AWAITED FERRY_US(50) /* an answer from another host is waited for */

/* a record without room waits in its lane for so long, then in its channel's queue */
#define FY_STALL_MAX FERRY_MS(1)

static inline int64_t fy_policy_at_most(int64_t a, int64_t b)
{
	return a < b ? a : b;
}
bool fy_policy_is_under_way(const struct fy_progress *p);
void fy_policy_set_patience(struct fy_progress *p);
/* How long may the loop sleep before it has to look at the network again? */
int64_t fy_policy_sleep_time(struct fy_progress *p);

#endif
