/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Concurrency Kit, and the choice of order.h's back end: the compiler's where a sanitizer looks on.
 * Then CK's header-only structures (ck_stack) use it as well: each ck_pr operation that they use is
 * redefined here before they are included. Only order.h includes this file.
 */
#pragma once

#include <stdbool.h>

#if (defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)) && \
	!defined(FERRY_ORDER_BUILTINS)
#define FERRY_ORDER_BUILTINS 1
#endif
#if defined(__has_feature) && !defined(FERRY_ORDER_BUILTINS)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define FERRY_ORDER_BUILTINS 1
#endif
#endif

#ifdef FERRY_ORDER_BUILTINS
#ifdef CK_PR_H
#error "include base/order.h before a header of Concurrency Kit: it chooses the back end"
#endif
#define CK_USE_CC_BUILTINS 1
#endif

#include <ck_pr.h>

#ifdef FERRY_ORDER_BUILTINS

#undef ck_pr_load_ptr
#undef ck_pr_store_ptr
#undef ck_pr_cas_ptr
#undef ck_pr_cas_ptr_value
#undef ck_pr_fas_ptr
#define ck_pr_load_ptr(p)                                                        \
	__extension__({                                                          \
		__typeof__(*(p)) fy_l_ = __atomic_load_n((p), __ATOMIC_ACQUIRE); \
		fy_l_;                                                           \
	})
#define ck_pr_store_ptr(p, v) __atomic_store_n((void **)(p), (void *)(v), __ATOMIC_RELEASE)
#define ck_pr_fas_ptr(p, v) __atomic_exchange_n((void **)(p), (void *)(v), __ATOMIC_ACQ_REL)
static inline bool fy_ck_cas_ptr_value(void *target, void *compare, void *set, void *value)
{
	bool won = __atomic_compare_exchange_n((void **)target, &compare, set, false,
	                                       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
	*(void **)value = compare;
	return won;
}
static inline bool fy_ck_cas_ptr(void *target, void *compare, void *set)
{
	return __atomic_compare_exchange_n((void **)target, &compare, set, false, __ATOMIC_ACQ_REL,
	                                   __ATOMIC_ACQUIRE);
}
#define ck_pr_cas_ptr(t, c, s) fy_ck_cas_ptr((t), (c), (s))
#define ck_pr_cas_ptr_value(t, c, s, v) fy_ck_cas_ptr_value((t), (c), (s), (v))

#endif
