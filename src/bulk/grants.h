/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_BULK_GRANTS_H
#define FY_BULK_GRANTS_H

#include <stdbool.h>

struct fy_channel;
struct fy_inbound;
struct fy_progress;

bool fy_grants_put(struct fy_progress *p, struct fy_channel *ch);
void fy_grants_step(struct fy_progress *p);
/* The sender is to be told in->status; 0: it may send. */
void fy_grants_owe(struct fy_progress *p, struct fy_inbound *in);
void fy_grants_wait(struct fy_progress *p, struct fy_inbound *in);

#endif
