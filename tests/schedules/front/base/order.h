/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/order.h for the schedules: it stands in front of src/ in the include path, and is included
 * before each source of the core. Each atomic operation of the same sources then asks the scheduler
 * (schedule.h) who goes on, and takes one step. All steps are sequentially consistent; what weaker
 * orders do is for other tests (doc/testing.md).
 */
#ifndef SCHEDULES_BASE_ORDER_H
#define SCHEDULES_BASE_ORDER_H

#define FERRY_ORDER_BUILTINS 1 /* so that Concurrency Kit's structures can be had, too */
#include "../../../../src/base/order.h"

#include "schedules/step.h"

#undef fy_fence_full
#undef fy_pause
#define fy_fence_full() ((void)0)
#define fy_pause() schedule_yield()

/* ---- the words of order.h ----------------------------------------------------------- */

#define LOAD_STEP(type, p, what) ((type)schedule_load(p, sizeof(type), what, __func__))
#define fy_load_relaxed_8(p) LOAD_STEP(uint8_t, p, "load")
#define fy_load_acquire_8(p) LOAD_STEP(uint8_t, p, "load")
#define fy_load_relaxed_32(p) LOAD_STEP(uint32_t, p, "load")
#define fy_load_acquire_32(p) LOAD_STEP(uint32_t, p, "load")
#define fy_load_relaxed_64(p) LOAD_STEP(uint64_t, p, "load")
#define fy_load_acquire_64(p) LOAD_STEP(uint64_t, p, "load")
#define fy_load_relaxed_ptr(p) ((void *)LOAD_STEP(uintptr_t, p, "load"))
#define fy_load_acquire_ptr(p) ((void *)LOAD_STEP(uintptr_t, p, "load"))

#define STORE_STEP(type, p, v) schedule_store(p, (type)(v), sizeof(type), "store", __func__)
#define fy_store_relaxed_8(p, v) STORE_STEP(uint8_t, p, v)
#define fy_store_release_8(p, v) STORE_STEP(uint8_t, p, v)
#define fy_store_relaxed_32(p, v) STORE_STEP(uint32_t, p, v)
#define fy_store_release_32(p, v) STORE_STEP(uint32_t, p, v)
#define fy_store_relaxed_64(p, v) STORE_STEP(uint64_t, p, v)
#define fy_store_release_64(p, v) STORE_STEP(uint64_t, p, v)
#define fy_store_release_ptr(p, v) STORE_STEP(uintptr_t, p, v)

/* Statements, so that a value that nobody uses is no warning. */
#define CHANGE_STEP(type, how, p, v)                                                           \
	__extension__({                                                                        \
		type fy_v_ = (type)schedule_change(p, how, (type)(v), sizeof(type), __func__); \
		fy_v_;                                                                         \
	})
#define fy_swap_32(p, v) CHANGE_STEP(uint32_t, SCHEDULE_SWAP, p, v)
#define fy_swap_64(p, v) CHANGE_STEP(uint64_t, SCHEDULE_SWAP, p, v)
#define fy_swap_ptr(p, v) ((void *)CHANGE_STEP(uintptr_t, SCHEDULE_SWAP, p, v))
#define fy_add_32(p, v) CHANGE_STEP(uint32_t, SCHEDULE_ADD, p, v)
#define fy_add_64(p, v) CHANGE_STEP(uint64_t, SCHEDULE_ADD, p, v)
#define fy_or_32(p, v) CHANGE_STEP(uint32_t, SCHEDULE_OR, p, v)

#define CAS_STEP(type, p, expected, desired)                                                    \
	__extension__({                                                                         \
		bool fy_won_ = schedule_cas(p, (type)(expected), (type)(desired), sizeof(type), \
		                            NULL, __func__);                                    \
		fy_won_;                                                                        \
	})
#define fy_cas_32(p, expected, desired) CAS_STEP(uint32_t, p, expected, desired)
#define fy_cas_64(p, expected, desired) CAS_STEP(uint64_t, p, expected, desired)
#define fy_cas_ptr(p, expected, desired) CAS_STEP(uintptr_t, p, expected, desired)

/* ---- what Concurrency Kit's stack is made of ------------------------------------------ */

#undef ck_pr_load_ptr
#undef ck_pr_store_ptr
#undef ck_pr_cas_ptr
#undef ck_pr_cas_ptr_value
#undef ck_pr_fas_ptr
#define ck_pr_load_ptr(p) ((__typeof__(*(p)))LOAD_STEP(uintptr_t, p, "load"))
#define ck_pr_store_ptr(p, v) STORE_STEP(uintptr_t, p, v)
#define ck_pr_fas_ptr(p, v) ((void *)CHANGE_STEP(uintptr_t, SCHEDULE_SWAP, p, v))
#define ck_pr_cas_ptr(p, expected, desired) CAS_STEP(uintptr_t, p, expected, desired)
#define ck_pr_cas_ptr_value(p, expected, desired, old)                                      \
	schedule_cas(p, (uintptr_t)(expected), (uintptr_t)(desired), sizeof(void *), (old), \
	             __func__)

/* ---- what each thread has for itself --------------------------------------------------- */

/* The scheduler's threads are contexts of one thread of the system, so what is a thread's own lies
 * in a section, which is exchanged at each switch. */
#undef FY_THREAD_LOCAL
#define FY_THREAD_LOCAL __attribute__((section("ferry_locals")))
#define _Thread_local FY_THREAD_LOCAL

#endif
