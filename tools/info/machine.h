/* SPDX-License-Identifier: Apache-2.0 */
/* Cores, NUMA nodes and packages of this host. */
#pragma once

#include <stdbool.h>

#include "base/place.h"

struct info_machine {
	const char *source; /* who says so */
	int processors, cores, nodes, packages;
	/* by processor; -1: there is none of this number */
	int core[FY_PLACE_CPUS_MAX], node[FY_PLACE_CPUS_MAX];
};

/* As the system's files say, below /sys/devices/system or what stands for it. False: they say
 * nothing. */
bool info_machine_by_system(struct info_machine *machine, const char *root);
/* As hwloc says; false also where this was built without it. */
bool info_machine_by_hwloc(struct info_machine *machine);
/* How many different cores, or nodes, a place has. */
int info_machine_count(const int *of, const struct fy_place *place);
