/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ferry.h"

void fy_strand_destroy(ferry_executor *strand);
