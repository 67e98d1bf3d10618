/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All memory ordering of the library.
 *
 * Four words. A *release* store makes everything that the thread wrote before visible to a thread
 * whose *acquire* load reads the stored value. A *relaxed* access orders nothing. A *full* fence
 * orders everything before it against everything after it, also stores before it against loads
 * after it, which release and acquire do not.
 *
 * Two back ends:
 *  - Concurrency Kit's ck_pr, the default. On TSO machines (x86) acquire and release cost only a
 *    compiler barrier; elsewhere CK's fences.
 *  - the compiler's __atomic builtins, with FERRY_ORDER_BUILTINS. ThreadSanitizer and
 *    AddressSanitizer understand these: an atomic step on freed memory is reported at once.
 *    order_ck.h makes CK's structures use them, too.
 *
 * What pairs with what is said at each shared word: who writes it, who reads it, and which of the
 * operations here makes that safe.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/order_ck.h"

/*
 * The operations, for words of 8, 32 and 64 bits and for pointers:
 *
 *   fy_load_relaxed_N   fy_load_acquire_N   fy_store_relaxed_N   fy_store_release_N
 *   fy_cas_N  fy_swap_N  fy_add_N  fy_sub_N  fy_or_32
 *                                               read-modify-write: release before, full behind,
 *                                               also of a fy_cas_N that changed nothing
 *   fy_fence_full()                             stores before against loads after
 *
 * Many pairs of threads rely on the full fence behind a read-modify-write: one adds to a word and
 * then looks at another one, the other thread does it the other way round. On x86 a locked
 * operation is that fence. On other machines it is not, not even with the compiler's strongest
 * order, so there it is an instruction.
 */
#ifdef FERRY_ORDER_BUILTINS

#if defined(__x86_64__)
#define FY_FENCE_BEHIND() ((void)0)
#else
#define FY_FENCE_BEHIND() __sync_synchronize()
#endif
#define FY_FENCE_BEFORE() ((void)0)
#define FY_CAS(N, p, expected, desired)                                               \
	__atomic_compare_exchange_n(p, &(expected), desired, false, __ATOMIC_SEQ_CST, \
	                            __ATOMIC_SEQ_CST)
#define FY_SWAP(N, p, v) __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define FY_ADD(N, p, v) __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST)
#define FY_OR(p, bits) __atomic_fetch_or(p, bits, __ATOMIC_SEQ_CST)

#define FY_ORDER_LOADS(N, type)                                  \
	static inline type fy_load_relaxed_##N(const type *p)    \
	{                                                        \
		return __atomic_load_n(p, __ATOMIC_RELAXED);     \
	}                                                        \
	static inline type fy_load_acquire_##N(const type *p)    \
	{                                                        \
		return __atomic_load_n(p, __ATOMIC_ACQUIRE);     \
	}                                                        \
	static inline void fy_store_relaxed_##N(type *p, type v) \
	{                                                        \
		__atomic_store_n(p, v, __ATOMIC_RELAXED);        \
	}                                                        \
	static inline void fy_store_release_##N(type *p, type v) \
	{                                                        \
		__atomic_store_n(p, v, __ATOMIC_RELEASE);        \
	}
static inline void *fy_load_relaxed_ptr(const void *p)
{
	return __atomic_load_n((void *const *)p, __ATOMIC_RELAXED);
}
static inline void *fy_load_acquire_ptr(const void *p)
{
	return __atomic_load_n((void *const *)p, __ATOMIC_ACQUIRE);
}
static inline void fy_store_release_ptr(void *p, void *v)
{
	__atomic_store_n((void **)p, v, __ATOMIC_RELEASE);
}
/* Not __atomic_thread_fence: ThreadSanitizer does not model fences, and gcc warns of that. The
 * words that a fence orders are only accessed by the operations above, so the sanitizer misses
 * nothing. */
#define fy_fence_full() __sync_synchronize()

#else /* Concurrency Kit */

#define FY_ORDER_LOADS(N, type)                                  \
	static inline type fy_load_relaxed_##N(const type *p)    \
	{                                                        \
		return ck_pr_load_##N(p);                        \
	}                                                        \
	static inline type fy_load_acquire_##N(const type *p)    \
	{                                                        \
		type v = ck_pr_load_##N(p);                      \
		ck_pr_fence_acquire();                           \
		return v;                                        \
	}                                                        \
	static inline void fy_store_relaxed_##N(type *p, type v) \
	{                                                        \
		ck_pr_store_##N(p, v);                           \
	}                                                        \
	static inline void fy_store_release_##N(type *p, type v) \
	{                                                        \
		ck_pr_fence_release();                           \
		ck_pr_store_##N(p, v);                           \
	}
/* On x86 a locked operation is a full fence by itself, and these fences are compiler barriers.
 * Elsewhere they are instructions. Behind it CK's acquire is not enough everywhere: on POWER it
 * lets a later load pass the store. */
#if defined(__x86_64__)
#define FY_FENCE_BEHIND() ck_pr_fence_acquire()
#else
#define FY_FENCE_BEHIND() ck_pr_fence_memory()
#endif
#define FY_FENCE_BEFORE() (ck_pr_fence_release(), ck_pr_fence_atomic())
#define FY_CAS(N, p, expected, desired) ck_pr_cas_##N(p, expected, desired)
#define FY_SWAP(N, p, v) ck_pr_fas_##N(p, v)
#define FY_ADD(N, p, v) ck_pr_faa_##N(p, v)
#define FY_OR(p, bits) fy_order_or_32(p, bits)
static inline uint32_t fy_order_or_32(uint32_t *p, uint32_t bits)
{
	uint32_t old = ck_pr_load_32(p);
	while (!ck_pr_cas_32_value(p, old, old | bits, &old))
		;
	return old;
}
static inline void *fy_load_relaxed_ptr(const void *p)
{
	return ck_pr_load_ptr((void *const *)p);
}
static inline void *fy_load_acquire_ptr(const void *p)
{
	void *v = ck_pr_load_ptr((void *const *)p);
	ck_pr_fence_acquire();
	return v;
}
static inline void fy_store_release_ptr(void *p, void *v)
{
	ck_pr_fence_release();
	ck_pr_store_ptr((void **)p, v);
}
#define fy_fence_full() ck_pr_fence_memory()

#endif

#define FY_ORDERED(type, expression)       \
	do {                               \
		FY_FENCE_BEFORE();         \
		type fy_r_ = (expression); \
		FY_FENCE_BEHIND();         \
		return fy_r_;              \
	} while (0)
#define FY_ORDER_RMW(N, type)                                               \
	static inline bool fy_cas_##N(type *p, type expected, type desired) \
	{                                                                   \
		FY_ORDERED(bool, FY_CAS(N, p, expected, desired));          \
	}                                                                   \
	static inline type fy_swap_##N(type *p, type v)                     \
	{                                                                   \
		FY_ORDERED(type, FY_SWAP(N, p, v));                         \
	}                                                                   \
	static inline type fy_add_##N(type *p, type v)                      \
	{                                                                   \
		FY_ORDERED(type, FY_ADD(N, p, v));                          \
	}
static inline uint32_t fy_or_32(uint32_t *p, uint32_t bits)
{
	FY_ORDERED(uint32_t, FY_OR(p, bits));
}
static inline void *fy_swap_ptr(void *p, void *v)
{
	FY_ORDERED(void *, FY_SWAP(ptr, (void **)p, v));
}
static inline bool fy_cas_ptr(void *p, void *expected, void *desired)
{
	FY_ORDERED(bool, FY_CAS(ptr, (void **)p, expected, desired));
}
FY_ORDER_LOADS(8, uint8_t)
FY_ORDER_LOADS(32, uint32_t)
FY_ORDER_LOADS(64, uint64_t)
FY_ORDER_RMW(32, uint32_t)
FY_ORDER_RMW(64, uint64_t)
#define fy_sub_32(p, v) fy_add_32(p, -(uint32_t)(v))
#define fy_sub_64(p, v) fy_add_64(p, -(uint64_t)(v))

/* A pause for a loop that spins on another thread's word. */
#define fy_pause() ck_pr_stall()

#define fy_likely(x) __builtin_expect(!!(x), 1)
#define fy_unlikely(x) __builtin_expect(!!(x), 0)
#define FY_CACHE_LINE 64
#define FY_ALIGNED __attribute__((aligned(FY_CACHE_LINE)))
/* A few words of each thread, found without a call. */
#define FY_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
