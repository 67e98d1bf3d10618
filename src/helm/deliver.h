/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_DELIVER_H
#define FY_HELM_DELIVER_H

#include "ferry.h"

struct fy_channel;
struct fy_progress;
struct fy_stream_in;

/* Deliver a complete heap message to its handler or the mailbox; takes its reference over. */
void fy_deliver_message(struct fy_progress *p, struct fy_channel *ch, ferry_message *message);
void fy_deliver_held(struct fy_progress *p, struct fy_channel *ch, struct fy_stream_in *stream);

#endif
