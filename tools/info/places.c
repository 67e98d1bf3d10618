/* SPDX-License-Identifier: Apache-2.0 */
/* Where this rank's threads may run, and where its progress thread does. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/quota.h"
#include "info.h"
#include "machine.h"
#include "out.h"

#define CPUS FY_PLACE_CPUS_MAX

static bool has(const struct fy_place *place, int cpu)
{
	return cpu < CPUS && fy_place_has(place, cpu);
}

/* One that is too long ends with "...". */
void info_list(const struct fy_place *place, char *text, size_t nbytes)
{
	size_t used = 0;
	text[0] = '\0';
	for (int cpu = 0; cpu < CPUS; cpu++) {
		if (!has(place, cpu))
			continue;
		int first = cpu;
		while (has(place, cpu + 1))
			cpu++;
		if (nbytes - used < 24) {
			snprintf(text + used, nbytes - used, "%s...", used ? "," : "");
			return;
		}
		used += (size_t)snprintf(text + used, nbytes - used, "%s%d", used ? "," : "",
		                         first);
		if (cpu > first)
			used += (size_t)snprintf(text + used, nbytes - used, "-%d", cpu);
	}
}

static bool is_progress_thread(const char *task)
{
	char path[300], name[32] = "";
	snprintf(path, sizeof path, "/proc/self/task/%s/comm", task);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	bool read = fgets(name, sizeof name, file) != NULL;
	fclose(file);
	return read && strcmp(name, "ferry\n") == 0;
}

/* The library names its thread. Where it is, not where it should be. */
static bool find_progress_thread(struct fy_place *place)
{
	DIR *tasks = opendir("/proc/self/task");
	bool found = false;
	for (struct dirent *task; tasks && !found && (task = readdir(tasks));)
		found = is_progress_thread(task->d_name) &&
		        fy_place_of_thread(atoi(task->d_name), place);
	if (tasks)
		closedir(tasks);
	return found;
}

static int ranks_of(const char *host, const struct info *info)
{
	int count = 0;
	for (int i = 0; i < info->ranks_count; i++)
		count += strcmp(info->ranks[i].host, host) == 0;
	return count;
}

void info_look(struct info_rank *mine, ferry *engine)
{
	struct fy_place process, progress, around;
	memset(mine, 0, sizeof *mine);
	mine->rank = engine ? ferry_rank(engine) : 0;
	gethostname(mine->host, sizeof mine->host - 1);
	fy_place_of_thread(0, &process);
	info_list(&process, mine->process, sizeof mine->process);
	fy_place_look_around(&around);
	info_list(&around, mine->around, sizeof mine->around);
	if (engine && find_progress_thread(&progress))
		info_list(&progress, mine->progress, sizeof mine->progress);
}

/* How many ranks share the processors is known when all have said where they are. This rank's
 * binding stands for that of its progress thread if both are the same. */
static void judge(struct info *info)
{
	struct info_rank *mine = &info->ranks[0];
	struct fy_place process;
	fy_place_of_thread(0, &process);
	if (strcmp(mine->process, mine->progress) == 0)
		mine->shared = fy_place_is_shared(&process, ranks_of(mine->host, info),
		                                  mine->advice, sizeof mine->advice);
	info->wrong |= mine->shared;
}

static void print_machine(struct info_out *out)
{
	static struct info_machine machine;
	struct fy_place process;
	if (!info_machine_by_hwloc(&machine) &&
	    !info_machine_by_system(&machine, "/sys/devices/system"))
		return;
	fy_place_of_thread(0, &process);
	info_out_text(out, "topology_by", machine.source);
	info_out_number(out, "processors", machine.processors);
	info_out_number(out, "cores", machine.cores);
	info_out_number(out, "numa_nodes", machine.nodes);
	info_out_number(out, "packages", machine.packages);
	info_out_flag(out, "smt", machine.processors > machine.cores);
	info_out_number(out, "cores_allowed", info_machine_count(machine.core, &process));
	info_out_number(out, "nodes_allowed", info_machine_count(machine.node, &process));
}

/* Why the progress thread runs where it does. */
static const char *reason(const struct info *info)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	if (!info->engine || ferry_options_resolved(info->engine, &options) != FERRY_OK)
		return NULL;
	if (options.flags & FERRY_NO_THREAD)
		return "there is none: flags has no_thread";
	return options.progress_cpus ? "progress_cpus names them"
	                             : "those that the process began with";
}

static void print_rank(struct info_out *out, const struct info_rank *rank)
{
	info_out_object(out);
	if (out->json) {
		info_out_number(out, "rank", rank->rank);
		info_out_text(out, "host", rank->host);
		info_out_text(out, "allowed", rank->process);
		info_out_text(out, "progress_thread", *rank->progress ? rank->progress : NULL);
	}
	info_out_object_end(out);
	info_out_line(out, "  rank %-11d %s, may run on %s, progress thread on %s", rank->rank,
	              rank->host, rank->process, *rank->progress ? rank->progress : "none");
}

/* Ranks whose host or binding is not that of rank 0. */
static int others(const struct info *info)
{
	int count = 0;
	for (int i = 1; i < info->ranks_count; i++)
		count += strcmp(info->ranks[i].host, info->ranks[0].host) != 0 ||
		         strcmp(info->ranks[i].process, info->ranks[0].process) != 0 ||
		         strcmp(info->ranks[i].progress, info->ranks[0].progress) != 0;
	return count;
}

static void print_ranks(struct info_out *out, const struct info *info)
{
	if (!info->all && info->ranks_count == 1)
		return;
	if (!info->all) {
		info_out_number(out, "placed_otherwise", others(info));
		if (others(info))
			info_out_line(out,
			              "  (ranks on other hosts or processors: --all names them)");
		return;
	}
	info_out_array(out, "ranks");
	for (int i = 0; i < info->ranks_count; i++)
		print_rank(out, &info->ranks[i]);
	info_out_array_end(out);
}

void info_print_places(struct info_out *out, struct info *info)
{
	const struct info_rank *mine = &info->ranks[0];
	judge(info);
	info_out_section(out, "places", "Processors (of rank 0)");
	info_out_text(out, "host", mine->host);
	print_machine(out);
	info_out_text(out, "allowed", mine->process);
	info_out_text(out, "control_group", mine->around);
	if (fy_quota() != FY_QUOTA_NONE)
		info_out_number(out, "quota", fy_quota());
	info_out_number(out, "ranks_of_host", ranks_of(mine->host, info));
	info_out_text(out, "progress_thread", *mine->progress ? mine->progress : NULL);
	info_out_text(out, "because", reason(info));
	info_out_text(out, "warning", mine->shared ? mine->advice : NULL);
	print_ranks(out, info);
	info_out_section_end(out);
}
