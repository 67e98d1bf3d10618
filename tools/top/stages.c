/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "plain.h"
#include "stages.h"

#define STAGES_MAX 32u

bool top_stage(const struct top_engine *engine, unsigned i, struct fy_monitor_histogram *stage)
{
	char name[sizeof(stage->name)];

	if (i >= STAGES_MAX ||
	    !fy_monitor_entry(&engine->copy, FY_MONITOR_HISTOGRAMS, i, stage, sizeof(*stage)))
		return false;
	memcpy(name, stage->name, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	top_plain(stage->name, sizeof(stage->name), (int)sizeof(name), name);
	if (stage->buckets > FY_MONITOR_BUCKETS)
		stage->buckets = FY_MONITOR_BUCKETS;
	return true;
}

bool top_stages_sampled(const struct top_engine *engine)
{
	struct fy_monitor_histogram stage;
	unsigned i;

	for (i = 0; top_stage(engine, i, &stage); i++)
		if (stage.count)
			return true;
	return false;
}

static int64_t bounded(uint64_t ns)
{
	return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

int64_t top_stage_longest(const struct fy_monitor_histogram *stage)
{
	return bounded(stage->longest);
}

int64_t top_stage_percentile(const struct fy_monitor_histogram *stage, double percent)
{
	double wanted, seen = 0, all = 0;
	uint32_t i;

	/* Of a file that lies `count` and the buckets differ. */
	for (i = 0; i < stage->buckets; i++)
		all += (double)stage->in[i];
	wanted = all * percent / 100;
	for (i = 0; i + 1 < stage->buckets; i++) {
		seen += (double)stage->in[i];
		if (seen >= wanted && seen > 0)
			break;
	}
	if (i + 1 >= stage->buckets || fy_monitor_bucket_low(i + 1) > stage->longest)
		return top_stage_longest(stage);
	return bounded(fy_monitor_bucket_low(i + 1));
}

const char *top_stage_says(const char *name)
{
	static const struct {
		const char *name, *says;
	} known[] = {
		{ "lane", "post until taken" },      { "batch", "taken until MPI has it" },
		{ "accept", "MPI until accepted" },  { "handler", "in a handler here" },
		{ "reply", "call until its reply" },
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].name, name) == 0)
			return known[i].says;
	return "";
}
