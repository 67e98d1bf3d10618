/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "machine.h"

#ifdef HAVE_HWLOC
#include <hwloc.h>

static void look_at(struct info_machine *machine, hwloc_topology_t topology, hwloc_obj_t unit)
{
	hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_CORE, unit);
	if (unit->os_index >= FY_PLACE_CPUS_MAX)
		return;
	machine->processors++;
	machine->core[unit->os_index] = (int)(core ? core->logical_index : unit->logical_index);
	machine->node[unit->os_index] = hwloc_bitmap_first(unit->nodeset);
}

static int count(hwloc_topology_t topology, hwloc_obj_type_t type)
{
	int n = hwloc_get_nbobjs_by_type(topology, type);
	return n > 0 ? n : 0;
}

static void look(struct info_machine *machine, hwloc_topology_t topology)
{
	machine->processors = 0;
	for (int cpu = 0; cpu < FY_PLACE_CPUS_MAX; cpu++)
		machine->core[cpu] = machine->node[cpu] = -1;
	for (hwloc_obj_t unit = NULL;
	     (unit = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PU, unit));)
		look_at(machine, topology, unit);
	machine->cores = count(topology, HWLOC_OBJ_CORE);
	machine->nodes = count(topology, HWLOC_OBJ_NUMANODE);
	machine->packages = count(topology, HWLOC_OBJ_PACKAGE);
}

/* Processors that a control group forbids are there as well. */
bool info_machine_by_hwloc(struct info_machine *machine)
{
	hwloc_topology_t topology;
	if (hwloc_topology_init(&topology) != 0)
		return false;
	bool loaded =
		hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) == 0 &&
		hwloc_topology_load(topology) == 0;
	if (loaded)
		look(machine, topology);
	machine->source = "hwloc";
	hwloc_topology_destroy(topology);
	return loaded && machine->processors > 0;
}

#else

bool info_machine_by_hwloc(struct info_machine *machine)
{
	(void)machine;
	return false;
}

#endif
