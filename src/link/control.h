/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fy_channel;
struct fy_link;

bool fy_control_put(struct fy_link *link, struct fy_channel *ch, uint32_t op, const void *body,
                    uint32_t nbytes);
