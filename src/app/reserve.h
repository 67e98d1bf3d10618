/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ferry.h"

struct fy_post;
struct fy_record;

int fy_reserve_check_open(ferry *e);
void fy_reserve_give_back(ferry *e, int rank, size_t body);
int fy_reserve(const struct fy_post *o, uint32_t size, size_t body, struct fy_record **record_p);
