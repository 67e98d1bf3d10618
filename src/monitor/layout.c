/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where this library puts the sections of a monitor file: one after the other behind the head, and
 * the peers, which may become many, last.
 */
#include "monitor/layout.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "monitor/counters.h"
#include "monitor/gauges.h"

static const struct {
	enum fy_monitor_kind kind;
	size_t entry_bytes;
	uint32_t capacity, count;
} sections[] = {
	{ FY_MONITOR_COUNTERS, sizeof(struct fy_monitor_value), FY_MONITOR_N_COUNTERS,
	  FY_MONITOR_COUNTERS_NAMED },
	{ FY_MONITOR_GAUGES, sizeof(struct fy_monitor_value), FY_MONITOR_N_GAUGES,
	  FY_MONITOR_GAUGES_NAMED },
	{ FY_MONITOR_HISTOGRAMS, sizeof(struct fy_monitor_histogram), FY_MONITOR_N_STAGES,
	  FY_MONITOR_N_STAGES },
	{ FY_MONITOR_OPS, sizeof(struct fy_monitor_op), FY_MONITOR_N_OPS, 0 },
	{ FY_MONITOR_ERRORS, sizeof(struct fy_monitor_error), FY_MONITOR_N_ERRORS, 0 },
	{ FY_MONITOR_OPEN, sizeof(struct fy_monitor_open), FY_MONITOR_N_OPEN, 0 },
	{ FY_MONITOR_TEXT, sizeof(struct fy_monitor_text), 1, 1 },
	{ FY_MONITOR_PEERS, sizeof(struct fy_monitor_peer), FY_MONITOR_N_PEERS, 0 },
};
#define N_SECTIONS (sizeof sections / sizeof sections[0])

_Static_assert(sizeof(struct fy_monitor_head) +
                               (FY_MONITOR_N_COUNTERS + FY_MONITOR_N_GAUGES) *
                                       sizeof(struct fy_monitor_value) +
                               FY_MONITOR_N_STAGES * sizeof(struct fy_monitor_histogram) +
                               FY_MONITOR_N_OPS * sizeof(struct fy_monitor_op) +
                               FY_MONITOR_N_ERRORS * sizeof(struct fy_monitor_error) +
                               FY_MONITOR_N_OPEN * sizeof(struct fy_monitor_open) +
                               sizeof(struct fy_monitor_text) <=
                       FY_MONITOR_BYTES,
               "the peers begin behind all of it");
_Static_assert(FY_MONITOR_COUNTERS_NAMED <= FY_MONITOR_N_COUNTERS &&
                       FY_MONITOR_GAUGES_NAMED <= FY_MONITOR_N_GAUGES &&
                       N_SECTIONS <= FY_MONITOR_SECTIONS,
               "there is room");

void fy_layout_set(struct fy_monitor_head *head)
{
	uint32_t at = sizeof *head;
	head->n_sections = N_SECTIONS;
	for (unsigned i = 0; i < N_SECTIONS; i++) {
		if (sections[i].kind == FY_MONITOR_PEERS)
			at = FY_MONITOR_BYTES;
		head->sections[i] = (struct fy_monitor_section){
			.kind = sections[i].kind,
			.entry_bytes = (uint32_t)sections[i].entry_bytes,
			.offset = at,
			.capacity = sections[i].capacity,
			.count = sections[i].count,
		};
		at += (uint32_t)sections[i].entry_bytes * sections[i].capacity;
	}
}

struct fy_monitor_section *fy_layout_section(struct fy_monitor_head *file,
                                             enum fy_monitor_kind kind)
{
	unsigned i = 0;
	while (i + 1 < N_SECTIONS && sections[i].kind != kind)
		i++;
	return &file->sections[i];
}

void *fy_layout_entries(struct fy_monitor_head *file, enum fy_monitor_kind kind)
{
	return (char *)file + fy_layout_section(file, kind)->offset;
}

static void name(char to[FY_MONITOR_NAME], const char *from)
{
	memcpy(to, from, strlen(from) + 1);
}

void fy_layout_name(struct fy_monitor_head *file)
{
	static const char *const counters[] = {
#define NAME(of) #of,
		FY_MONITOR_COUNTER_MAP(NAME)
	};
	static const char *const gauges[] = { FY_MONITOR_GAUGE_MAP(NAME) };
#undef NAME
	static const char *const stages[] = {
#define NAME(id, text) text,
		FY_MONITOR_STAGES(NAME)
#undef NAME
	};
	struct fy_monitor_value *value = fy_layout_entries(file, FY_MONITOR_COUNTERS);
	for (unsigned i = 0; i < FY_MONITOR_COUNTERS_NAMED; i++)
		name(value[i].name, counters[i]);
	value = fy_layout_entries(file, FY_MONITOR_GAUGES);
	for (unsigned i = 0; i < FY_MONITOR_GAUGES_NAMED; i++)
		name(value[i].name, gauges[i]);
	struct fy_monitor_histogram *stage = fy_layout_entries(file, FY_MONITOR_HISTOGRAMS);
	for (unsigned i = 0; i < FY_MONITOR_N_STAGES; i++) {
		name(stage[i].name, stages[i]);
		stage[i].buckets = FY_MONITOR_BUCKETS;
	}
}
