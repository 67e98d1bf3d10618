/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fy_progress;
struct fy_record;

bool fy_flush_all(struct fy_progress *p, const struct fy_record *r, uint32_t stream);
