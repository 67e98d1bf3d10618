/* SPDX-License-Identifier: Apache-2.0 */
/* Cores, NUMA nodes and packages: of a host that is made up, and of this one by both sources. */
#include "test.h"

#include <errno.h>
#include <sys/stat.h>

#include "../../../tools/info/info.h"
#include "../../../tools/info/machine.h"

static char top[64];

static void make(const char *path)
{
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
}

static void put(int cpu, const char *name, int value)
{
	char path[256];
	snprintf(path, sizeof path, "%s/cpu/cpu%d/topology/%s", top, cpu, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "%d\n", value);
	assert_int_equal(fclose(file), 0);
}

static void make_processor(int cpu, int core, int package, int node)
{
	char path[256];
	snprintf(path, sizeof path, "%s/cpu/cpu%d", top, cpu);
	make(path);
	snprintf(path, sizeof path, "%s/cpu/cpu%d/topology", top, cpu);
	make(path);
	snprintf(path, sizeof path, "%s/cpu/cpu%d/node%d", top, cpu, node);
	make(path);
	put(cpu, "core_id", core);
	put(cpu, "physical_package_id", package);
}

static int begin(void **state)
{
	char path[128];
	(void)state;
	snprintf(top, sizeof top, "/tmp/ferry-machine-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(path, sizeof path, "%s/cpu", top);
	make(path);
	return 0;
}

static int end(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -rf '%s'", top);
	return system(command);
}

static struct fy_place of(int first, int last)
{
	struct fy_place place = { .known = true };
	for (int cpu = first; cpu <= last; cpu++)
		place.bits[cpu / 64] |= 1ul << cpu % 64;
	return place;
}

/* Two packages of two cores of two threads; cores have the same numbers in both. Processor 8 is not
 * there. */
static void threads_share_cores(void **state)
{
	static struct info_machine machine;
	(void)state;
	for (int cpu = 0; cpu < 9; cpu++)
		if (cpu != 8)
			make_processor(cpu, cpu % 2, cpu / 2 % 2, cpu / 2 % 2);
	make_processor(100, 0, 2, 7);
	assert_true(info_machine_by_system(&machine, top));
	assert_int_equal(machine.processors, 9);
	assert_int_equal(machine.cores, 5);
	assert_int_equal(machine.nodes, 3);
	assert_int_equal(machine.packages, 3);
	struct fy_place place = of(0, 1);
	assert_int_equal(info_machine_count(machine.core, &place), 2);
	assert_int_equal(info_machine_count(machine.node, &place), 1);
	place = of(0, 7);
	assert_int_equal(info_machine_count(machine.core, &place), 4);
	place = of(8, 8);
	assert_int_equal(info_machine_count(machine.core, &place), 0);
}

static void nothing_is_no_machine(void **state)
{
	static struct info_machine machine;
	(void)state;
	assert_false(info_machine_by_system(&machine, "/nowhere"));
}

static void both_sources_agree(void **state)
{
	static struct info_machine files, library;
	(void)state;
	if (!info_machine_by_hwloc(&library))
		return; /* there is no hwloc */
	assert_true(info_machine_by_system(&files, "/sys/devices/system"));
	assert_int_equal(files.processors, library.processors);
	assert_int_equal(files.cores, library.cores);
	assert_int_equal(files.nodes, library.nodes);
	assert_int_equal(files.packages, library.packages);
}

static void assert_list(const struct fy_place *place, size_t nbytes, const char *expected)
{
	char text[64];
	info_list(place, text, nbytes);
	assert_string_equal(text, expected);
}

static void sets_are_lists(void **state)
{
	struct fy_place place = of(0, 3), more = of(5, 5), last = of(8190, 8191);
	(void)state;
	assert_list(&(struct fy_place){ 0 }, 64, "");
	assert_list(&place, 64, "0-3");
	for (size_t i = 0; i < sizeof place.bits / sizeof *place.bits; i++)
		place.bits[i] |= more.bits[i] | last.bits[i];
	assert_list(&place, 64, "0-3,5,8190-8191");
	assert_list(&place, 27, "0-3,5,...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(threads_share_cores, begin, end),
		cmocka_unit_test(nothing_is_no_machine),
		cmocka_unit_test(both_sources_agree),
		cmocka_unit_test(sets_are_lists),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
