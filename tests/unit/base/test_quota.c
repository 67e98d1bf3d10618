/* SPDX-License-Identifier: Apache-2.0 */
/* What control groups grant: both versions, the least of all above, and what is missing. */
#include "test.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/quota.h"

static char top[64];

static void put(const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", top, name);
	for (char *slash = path + strlen(top) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static int quota(void)
{
	char groups[80];
	snprintf(groups, sizeof groups, "%s/groups", top);
	return fy_quota_in(groups, top);
}

static int begin(void **state)
{
	(void)state;
	snprintf(top, sizeof top, "/tmp/ferry-quota-XXXXXX");
	return mkdtemp(top) ? 0 : -1;
}

static int end(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -rf '%s'", top);
	return system(command);
}

static void nothing_is_no_limit(void **state)
{
	(void)state;
	assert_int_equal(fy_quota_in("/nowhere/groups", "/nowhere"), FY_QUOTA_NONE);
	put("groups", "0::/user\n");
	assert_int_equal(quota(), FY_QUOTA_NONE);
	put("user/cpu.max", "max 100000\n");
	assert_int_equal(quota(), FY_QUOTA_NONE);
	put("user/cpu.max", "nonsense\n");
	assert_int_equal(quota(), FY_QUOTA_NONE);
	put("groups", "nonsense\n");
	assert_int_equal(quota(), FY_QUOTA_NONE);
}

static void the_least_above_counts(void **state)
{
	(void)state;
	put("groups", "0::/a/b\n");
	put("a/b/cpu.max", "800000 100000\n");
	assert_int_equal(quota(), 8);
	put("a/cpu.max", "350000 100000\n");
	assert_int_equal(quota(), 3);
	put("cpu.max", "50000 100000\n");
	assert_int_equal(quota(), 1);
}

static void the_root_counts_where_the_path_leads_nowhere(void **state)
{
	(void)state;
	put("groups", "0::/../../elsewhere\n");
	put("cpu.max", "200000 100000\n");
	assert_int_equal(quota(), 2);
}

static void version_1_has_it_in_two_files(void **state)
{
	(void)state;
	put("groups", "3:cpuset:/c\n2:cpu,cpuacct:/c\n1:name=systemd:/\n");
	put("cpu/c/cpu.cfs_quota_us", "-1\n");
	put("cpu/c/cpu.cfs_period_us", "100000\n");
	assert_int_equal(quota(), FY_QUOTA_NONE);
	put("cpu/c/cpu.cfs_quota_us", "250000\n");
	assert_int_equal(quota(), 2);
	put("groups", "2:cpuset:/c\n1:cpuacct:/c\n");
	assert_int_equal(quota(), FY_QUOTA_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_no_limit, begin, end),
		cmocka_unit_test_setup_teardown(the_least_above_counts, begin, end),
		cmocka_unit_test_setup_teardown(the_root_counts_where_the_path_leads_nowhere, begin,
		                                end),
		cmocka_unit_test_setup_teardown(version_1_has_it_in_two_files, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
