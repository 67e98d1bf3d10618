/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who else wants this thread's processor? Its yields tell, by the time that they take. If nobody
 * else ran there the thread is alone: it looks again at once, and yields seldom. If fellows ran,
 * which wait or work for microseconds as it does, it goes on yielding. But a switch takes as long
 * as an answer. So a thread that drives looks for a while before it yields, until its turn is over
 * (helm/policy.h). If a stranger took a slice of the processor, and not a thread of this process,
 * the thread does not yield for a while. It looks within its own slice, and then sleeps: a thread
 * that sleeps and is woken comes before a stranger, and one that has yielded comes after it.
 *
 * Each thread has its own state, so nothing here is shared.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/order.h"
#include "shared/policy_table.h"

enum fy_who { FY_FELLOWS, FY_ALONE, FY_STRANGER };

struct fy_company {
	/* with a stranger: the time of the next yield, in 2^20 ns (it wraps). Small, because static
	 * thread-local storage is scarce */
	uint32_t no_yield_to;
	uint16_t looks; /* without a yield, since the last one */
	uint8_t who;    /* enum fy_who */
	bool suspects;  /* the last yield was long */
};

/* A yield took so long. `ours`: processor time of this process meanwhile, if it was suspected. */
void fy_company_note(struct fy_company *company, const struct fy_policy *policy, int64_t took,
                     int64_t ours, int64_t now);
/* A look found nothing: yield before the next one? */
bool fy_company_yields(const struct fy_company *company, const struct fy_policy *policy,
                       int64_t now);

/* Beside fellows: is this thread's turn not over? Then it looks for a while before it yields. */
static inline bool fy_company_has_turn(const struct fy_company *company,
                                       const struct fy_policy *policy)
{
	return company->who == FY_FELLOWS && company->looks < policy->yield.turn_looks;
}

/* This thread's. */
extern FY_THREAD_LOCAL struct fy_company fy_company_here;

/* Before the next look without a yield. */
static inline void fy_company_pause(void)
{
	fy_company_here.looks++;
	fy_pause();
}
void fy_company_yield(const struct fy_policy *policy);
/* One of the two. `alone`: no other thread of this process looks for the same; if one does, this
 * one yields but for a stranger. */
void fy_company_rest(const struct fy_policy *policy, bool alone);
