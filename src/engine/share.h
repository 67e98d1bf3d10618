/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "port/port.h"

struct fy_progress;

int fy_share_agree(fy_port *port, uint32_t first_seq);
int fy_share_agree_checksum(fy_port *port, bool mine);
void fy_share_memory(struct fy_progress *p, const ferry_options *o);
