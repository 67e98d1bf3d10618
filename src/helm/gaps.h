/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_GAPS_H
#define FY_HELM_GAPS_H

struct fy_progress;
struct fy_slot;

void fy_gaps_suspect(struct fy_progress *p, const struct fy_slot *slot);
/* After receives that failed: is a batch missing? */
void fy_gaps_look(struct fy_progress *p);

#endif
