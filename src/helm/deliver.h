/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ferry.h"

struct fy_channel;
struct fy_progress;

/* Deliver a complete message to its handler or the mailbox. Takes its reference over. */
void fy_deliver_message(struct fy_progress *p, ferry_message *message);
/* Deliver what was held in streams and became ready when bulk/ looked at large messages. */
void fy_deliver_released(struct fy_progress *p);
