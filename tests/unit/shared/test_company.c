/* SPDX-License-Identifier: Apache-2.0 */
/* Who else wants the processor: what a thread learns from its yields. */
#include "test.h"

#include "shared/company.h"
#include "shared/policy_table.h"

#define US FERRY_US(1)

static struct fy_policy policy;
static struct fy_company company;

static int begin(void **state)
{
	(void)state;
	company = (struct fy_company){ 0 };
	return fy_policy_table_resolve(&policy);
}

/* Looks without a yield until one is due, at most 100. */
static int looks(int64_t now)
{
	int n = 0;
	while (n < 100 && !fy_company_yields(&company, &policy, now)) {
		company.looks++;
		n++;
	}
	return n;
}

static void a_thread_that_knows_nothing_yields(void **state)
{
	(void)state;
	assert_int_equal(looks(0), 0);
}

static void alone_it_yields_seldom(void **state)
{
	(void)state;
	fy_company_note(&company, &policy, US - 1, 0, 0);
	assert_int_equal(company.who, FY_ALONE);
	assert_int_equal(looks(0), 63);
	fy_company_note(&company, &policy, US - 1, 0, 0);
	assert_int_equal(looks(0), 63);
}

static void among_fellows_it_yields_each_time(void **state)
{
	(void)state;
	fy_company_note(&company, &policy, US, 0, 0);
	assert_int_equal(company.who, FY_FELLOWS);
	assert_int_equal(looks(0), 0);
	fy_company_note(&company, &policy, 100 * US - 1, 0, 0);
	assert_int_equal(looks(0), 0);
}

static void a_turn_among_fellows_ends(void **state)
{
	(void)state;
	fy_company_note(&company, &policy, US, 0, 0);
	for (int i = 0; i < 200; i++, company.looks++)
		assert_true(fy_company_has_turn(&company, &policy));
	assert_false(fy_company_has_turn(&company, &policy));
	fy_company_note(&company, &policy, US, 0, 0);
	assert_true(fy_company_has_turn(&company, &policy));
	fy_company_note(&company, &policy, US - 1, 0, 0);
	assert_false(fy_company_has_turn(&company, &policy)); /* alone it keeps the helm anyway */
}

static void with_a_stranger_it_does_not_yield_for_a_while(void **state)
{
	(void)state;
	fy_company_note(&company, &policy, 3000 * US, 0, 7 * US);
	assert_int_equal(company.who, FY_FELLOWS); /* once may be anything */
	fy_company_note(&company, &policy, 3000 * US, 1500 * US, 7 * US);
	assert_int_equal(company.who, FY_FELLOWS); /* threads of this process ran */
	fy_company_note(&company, &policy, 3000 * US, 100 * US, 7 * US);
	assert_int_equal(company.who, FY_STRANGER);
	assert_int_equal(looks(7 * US), 100);
	assert_int_equal(looks(8900 * US), 100);
	assert_int_equal(looks(11100 * US), 0);
	fy_company_note(&company, &policy, US / 2, 0, 11200 * US); /* it has gone */
	assert_int_equal(company.who, FY_ALONE);
}

static void a_yield_is_noted(void **state)
{
	(void)state;
	fy_company_here = (struct fy_company){ .looks = 5 };
	fy_company_rest(&policy, true); /* knows nothing: yields */
	assert_int_equal(fy_company_here.looks, 0);
	fy_company_here = (struct fy_company){ .who = FY_ALONE };
	fy_company_rest(&policy, true);
	assert_int_equal(fy_company_here.looks, 1);
	fy_company_rest(&policy, false); /* others may have something to do */
	assert_int_equal(fy_company_here.looks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_thread_that_knows_nothing_yields, begin),
		cmocka_unit_test_setup(alone_it_yields_seldom, begin),
		cmocka_unit_test_setup(among_fellows_it_yields_each_time, begin),
		cmocka_unit_test_setup(a_turn_among_fellows_ends, begin),
		cmocka_unit_test_setup(with_a_stranger_it_does_not_yield_for_a_while, begin),
		cmocka_unit_test_setup(a_yield_is_noted, begin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
