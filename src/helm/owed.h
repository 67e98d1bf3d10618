/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_OWED_H
#define FY_HELM_OWED_H

struct fy_channel;
struct fy_progress;

/* While channel->control_owed. */
void fy_owed_put(struct fy_progress *p, struct fy_channel *ch);

#endif
