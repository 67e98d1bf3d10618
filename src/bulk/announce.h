/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

struct fy_bulk;
struct fy_channel;

/* Announce a message. False: no room now, and nothing happened. `stream` may have a tag. */
bool fy_announce_put(struct fy_bulk *bulk, struct fy_channel *ch, ferry_message *message,
                     uint32_t kind, uint32_t stream, uint64_t call_id, ferry_future *future,
                     ferry_counter *counter);
/* Is there room for the announcement of this message? */
bool fy_announce_admits(struct fy_bulk *bulk, struct fy_channel *ch, const ferry_message *message);
/* Lengths that found no memory before are sent, as far as there is memory now. */
void fy_announce_lengths(struct fy_bulk *bulk, struct fy_channel *ch);
