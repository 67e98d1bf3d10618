/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "ferry.h"
#include "port/port.h"

struct fy_progress;

int fy_share_agree(fy_port *port, uint32_t first_seq);
void fy_share_memory(struct fy_progress *p, const ferry_options *o);
