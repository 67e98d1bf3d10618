/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "machine.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 320

static int read_number(const char *root, int cpu, const char *name)
{
	char path[PATH_BYTES];
	int number = -1;
	snprintf(path, sizeof path, "%s/cpu/cpu%d/topology/%s", root, cpu, name);
	FILE *file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%d", &number) != 1)
		number = -1;
	fclose(file);
	return number;
}

/* A processor's directory has a link nodeN to its node. */
static int node_of(const char *root, int cpu)
{
	char path[PATH_BYTES];
	int node = 0;
	snprintf(path, sizeof path, "%s/cpu/cpu%d", root, cpu);
	DIR *directory = opendir(path);
	if (!directory)
		return node;
	for (struct dirent *entry; (entry = readdir(directory));)
		if (strncmp(entry->d_name, "node", 4) == 0)
			node = atoi(entry->d_name + 4);
	closedir(directory);
	return node;
}

/* A core's number is its first processor's. */
static int first_like(const int *package, const int *core, int cpu)
{
	for (int other = 0; other < cpu; other++)
		if (core[other] == core[cpu] && package[other] == package[cpu])
			return other;
	return cpu;
}

static int distinct(const int *of)
{
	struct fy_place all;
	memset(all.bits, 0xFF, sizeof all.bits);
	return info_machine_count(of, &all);
}

int info_machine_count(const int *of, const struct fy_place *place)
{
	static bool seen[FY_PLACE_CPUS_MAX];
	int count = 0;
	memset(seen, 0, sizeof seen);
	for (int cpu = 0; cpu < FY_PLACE_CPUS_MAX; cpu++) {
		int which = fy_place_has(place, cpu) ? of[cpu] : -1;
		if (which < 0 || which >= FY_PLACE_CPUS_MAX || seen[which])
			continue;
		seen[which] = true;
		count++;
	}
	return count;
}

bool info_machine_by_system(struct info_machine *machine, const char *root)
{
	static int core[FY_PLACE_CPUS_MAX], package[FY_PLACE_CPUS_MAX];
	machine->source = "the system";
	machine->processors = 0;
	for (int cpu = 0; cpu < FY_PLACE_CPUS_MAX; cpu++) {
		core[cpu] = read_number(root, cpu, "core_id");
		package[cpu] = read_number(root, cpu, "physical_package_id");
		bool there = core[cpu] >= 0;
		machine->processors += there;
		machine->core[cpu] = there ? first_like(package, core, cpu) : -1;
		machine->node[cpu] = there ? node_of(root, cpu) : -1;
	}
	machine->cores = distinct(machine->core);
	machine->nodes = distinct(machine->node);
	machine->packages = distinct(package);
	return machine->processors > 0;
}
