/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host.h"
#include "plain.h"

/* ---- one file ---------------------------------------------------------------------------- */

/* It was taken away since the directory was read: an engine that closed. */
static bool is_gone(const struct top_host *host, const char *name)
{
	struct stat status;
	unsigned i;

	for (i = 0; i < host->list.n_places; i++)
		if (fstatat(host->list.places[i], name, &status, AT_SYMLINK_NOFOLLOW) == 0)
			return false;
	return true;
}

static void add_unreadable(struct top_host *host, const char *name, const char *why)
{
	struct top_unreadable *bigger;

	if (is_gone(host, name))
		return;
	bigger = realloc(host->unreadable, (host->n_unreadable + 1) * sizeof(*bigger));
	host->failed |= !bigger;
	if (!bigger)
		return;
	host->unreadable = bigger;
	top_plain(bigger[host->n_unreadable++].text, sizeof(bigger->text), FY_MONITOR_WHY, why);
}

/* The same engine's copy of the reading before moves into this one. */
static void find_before(struct top_engine *engine, struct top_host *before)
{
	size_t i;

	for (i = 0; before && i < before->n; i++) {
		struct top_engine *earlier = &before->engines[i];

		if (!earlier->copy.head || earlier->copy.inode != engine->copy.inode ||
		    strcmp(earlier->copy.name, engine->copy.name) != 0)
			continue;
		engine->before = earlier->copy;
		earlier->copy.head = NULL;
		return;
	}
}

static bool is_wanted(const struct top_engine *engine, const struct top_wish *wish)
{
	return (!wish->dead || top_engine_dead(engine)) && top_engine_is(engine, wish->which);
}

static void read_file(struct top_host *host, const char *name, const struct top_wish *wish,
                      struct top_host *before)
{
	struct top_engine *engine = &host->engines[host->n];
	char why[FY_MONITOR_WHY];

	memset(engine, 0, sizeof(*engine));
	if (fy_monitor_read(&host->list, name, &engine->copy, why) != 0) {
		add_unreadable(host, name, why);
		return;
	}
	find_before(engine, before);
	top_engine_look(engine);
	if (is_wanted(engine, wish))
		host->n++;
	else
		top_engine_free(engine);
}

/* ---- all --------------------------------------------------------------------------------- */

static bool job_lives(const struct top_host *host, uint64_t job)
{
	size_t i;

	for (i = 0; i < host->n; i++) {
		const struct fy_monitor_head *head = host->engines[i].copy.head;
		if (head && head->job == job && !top_engine_dead(&host->engines[i]))
			return true;
	}
	return false;
}

static void find_over(struct top_host *host)
{
	size_t i;

	for (i = 0; i < host->n; i++) {
		struct top_engine *engine = &host->engines[i];
		const struct fy_monitor_head *head = engine->copy.head;
		engine->over = head && top_engine_dead(engine) && !job_lives(host, head->job);
	}
}

/* What is left of a job that is over stands below all trouble that can still be mended. */
static int badness(const struct top_engine *engine)
{
	return 2 * (int)(engine->over ? TOP_NO_TROUBLE : top_troubles_worst(&engine->troubles)) -
	       engine->over;
}

/* Who is worse stands above; else by job, rank, process and number. */
static int compare(const void *one, const void *other)
{
	const struct top_engine *a = one, *b = other;
	const struct fy_monitor_head *x = a->copy.head, *y = b->copy.head;
	int of_a = badness(a), of_b = badness(b);

	if (of_a != of_b)
		return of_a - of_b;
	if (x->job != y->job)
		return x->job < y->job ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	if (x->process.pid != y->process.pid)
		return x->process.pid < y->process.pid ? -1 : 1;
	return (x->engine > y->engine) - (x->engine < y->engine);
}

int top_host_read(struct top_host *host, const struct top_wish *wish, struct top_host *before,
                  char why[FY_MONITOR_WHY])
{
	unsigned i;

	memset(host, 0, sizeof(*host));
	if (fy_monitor_list(wish->directory, &host->list, why) != 0)
		return -1;
	host->listed = true;
	host->engines = calloc(host->list.n + 1, sizeof(*host->engines));
	host->failed = !host->engines;
	for (i = 0; host->engines && i < host->list.n; i++)
		read_file(host, host->list.names[i], wish, before);
	if (!host->engines)
		host->n = 0;
	find_over(host);
	if (host->n)
		qsort(host->engines, host->n, sizeof(*host->engines), compare);
	if (before)
		top_host_free(before);
	return 0;
}

void top_host_free(struct top_host *host)
{
	size_t i;

	for (i = 0; i < host->n; i++)
		top_engine_free(&host->engines[i]);
	free(host->engines);
	free(host->unreadable);
	if (host->listed)
		fy_monitor_list_free(&host->list);
	memset(host, 0, sizeof(*host));
}

size_t top_host_wrong(const struct top_host *host)
{
	size_t i, wrong = 0;

	for (i = 0; i < host->n; i++)
		wrong += host->engines[i].troubles.n != 0;
	return wrong;
}

size_t top_host_dead(const struct top_host *host)
{
	size_t i, dead = 0;

	for (i = 0; i < host->n; i++)
		dead += top_engine_dead(&host->engines[i]);
	return dead;
}
