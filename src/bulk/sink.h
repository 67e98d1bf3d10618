/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_BULK_SINK_H
#define FY_BULK_SINK_H

#include <stdbool.h>

struct fy_progress;

/* Make p->sink, once. False: not now. */
bool fy_sink_open(struct fy_progress *p);
void fy_sink_close(struct fy_progress *p);

#endif
