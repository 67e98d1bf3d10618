/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_BULK_LANDING_H
#define FY_BULK_LANDING_H

struct fy_inbound;
struct fy_progress;

void fy_landing_add(struct fy_progress *p, struct fy_inbound *in);
void fy_landing_step(struct fy_progress *p);
/* What the sender said does not come. */
void fy_landing_cancel_lost(struct fy_progress *p, struct fy_inbound *in);

#endif
