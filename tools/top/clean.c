/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "clean.h"
#include "host.h"
#include "views.h"

/* 1: it was taken away; 0: somebody else did; -1: it cannot be. */
static int clean_one(const struct top_host *host, const struct top_engine *engine)
{
	char why[FY_MONITOR_WHY];
	struct top_name name;
	int removed = fy_monitor_clean(&host->list, engine->copy.name, why);

	if (removed < 0)
		fprintf(stderr, "ferry-top: %s\n", why);
	else if (removed)
		printf("removed %s: %s\n", engine->copy.name, top_engine_name(&name, engine));
	return removed;
}

int top_clean(const struct top_options *options)
{
	struct top_wish wish = { options->directory, options->which, true };
	char why[FY_MONITOR_WHY];
	struct top_host host;
	int status = 0, removed = 0, one;
	size_t i;

	if (top_host_read(&host, &wish, NULL, why) != 0)
		return fprintf(stderr, "ferry-top: %s\n", why), 1;
	for (i = 0; i < host.n; i++) {
		one = clean_one(&host, &host.engines[i]);
		removed += one > 0;
		status |= one < 0;
	}
	for (i = 0; i < host.n_unreadable; i++)
		fprintf(stderr, "ferry-top: left alone: %s\n", host.unreadable[i].text);
	if (!removed)
		puts("nothing to take away: no engine of yours died here");
	status |= host.n_unreadable != 0;
	top_host_free(&host);
	return fflush(stdout) == 0 ? status : 1;
}
