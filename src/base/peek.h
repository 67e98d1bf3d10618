/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/order.h"

/*
 * A look at memory, at any address, that MPI may be writing at this moment. The value is a hint: no
 * other read depends on it, and whoever acts on it asks MPI first. The thread sanitizer is switched
 * off here, because MPI's write is not atomic.
 */
typedef uint64_t fy_anywhere_64 __attribute__((aligned(1), may_alias));
#ifdef FERRY_ORDER_BUILTINS
__attribute__((no_sanitize("thread"), unused))
#endif
static inline uint64_t
fy_peek_64(const void *at)
{
	return *(const volatile fy_anywhere_64 *)at;
}
