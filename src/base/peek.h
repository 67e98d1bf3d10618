/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_BASE_PEEK_H
#define FY_BASE_PEEK_H

#include <stdint.h>

#include "base/order.h"

/*
 * A look at memory that MPI may be writing this moment, at any address. What is seen is a hint:
 * nothing is read behind it, and whoever acts on it asks MPI first. The thread sanitizer is not
 * asked, because MPI's write is no atomic one.
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

#endif
