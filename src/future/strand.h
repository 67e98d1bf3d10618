/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_FUTURE_STRAND_H
#define FY_FUTURE_STRAND_H

#include "ferry.h"

void fy_strand_destroy(ferry_executor *strand);

#endif
