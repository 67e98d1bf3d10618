/* SPDX-License-Identifier: Apache-2.0 */
/* Who else wants the processor, by the time that yields take. Any thread; each has its own. */
#include "shared/company.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/order.h"
#include "shared/policy_table.h"

FY_THREAD_LOCAL struct fy_company fy_company_here;

static uint32_t coarse(int64_t ns)
{
	return (uint32_t)(ns >> 20);
}

void fy_company_note(struct fy_company *company, const struct fy_policy *policy, int64_t took,
                     int64_t ours, int64_t now)
{
	bool is_long = took >= policy->yield.yield_stranger;
	bool stranger = is_long && company->suspects && ours < took / 2;
	company->looks = 0;
	company->suspects = is_long;
	company->who = took < policy->yield.yield_alone ? FY_ALONE
	               : stranger                       ? FY_STRANGER
	                                                : FY_FELLOWS;
	if (stranger)
		company->no_yield_to = coarse(now + policy->yield.stranger_stays);
}

bool fy_company_yields(const struct fy_company *company, const struct fy_policy *policy,
                       int64_t now)
{
	if (company->who == FY_ALONE)
		return company->looks + 1 >= policy->yield.looks_alone;
	return company->who == FY_FELLOWS || (int32_t)(coarse(now) - company->no_yield_to) >= 0;
}

void fy_company_yield(const struct fy_policy *policy)
{
	bool suspects = fy_company_here.suspects; /* to read that time takes longer */
	int64_t ours = suspects ? fy_clock_process() : 0, before = fy_clock_now();
	sched_yield();
	int64_t now = fy_clock_now();
	ours = suspects ? fy_clock_process() - ours : 0;
	fy_company_note(&fy_company_here, policy, now - before, ours, now);
}

void fy_company_rest(const struct fy_policy *policy, bool alone)
{
	bool yields = fy_company_yields(&fy_company_here, policy, fy_clock_now());
	if (yields || (!alone && fy_company_here.who == FY_ALONE))
		fy_company_yield(policy);
	else
		fy_company_pause();
}
