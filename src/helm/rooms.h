/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_ROOMS_H
#define FY_HELM_ROOMS_H

struct fy_progress;

void fy_rooms_step(struct fy_progress *p);
/* Once a step, while some were released of which posters were not told. */
void fy_rooms_tell_freed(struct fy_progress *p);

#endif
