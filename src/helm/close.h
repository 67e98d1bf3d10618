/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_CLOSE_H
#define FY_HELM_CLOSE_H

struct fy_progress;

void fy_close_step(struct fy_progress *p);
/* The helm's part of a close begins. */
void fy_close_begin(struct fy_progress *p);

#endif
