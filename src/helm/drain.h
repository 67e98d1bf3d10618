/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_DRAIN_H
#define FY_HELM_DRAIN_H

struct fy_progress;

void fy_drain_step(struct fy_progress *p);

#endif
