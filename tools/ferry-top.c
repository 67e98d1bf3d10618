/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ferry-top: the engines of this host, seen from outside, by the files that they keep. The command
 * line; the rest is in top/. Knows no MPI and does without the library.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "ferry.h"
#include "top/clean.h"
#include "top/host.h"
#include "top/options.h"
#include "top/screen.h"
#include "top/views.h"
#include "top/watch.h"

#define BRIEF_INTERVAL FERRY_MS(500) /* where nobody waits at a screen */

/* ---- reading ----------------------------------------------------------------------------- */

static void rest(int64_t ns)
{
	struct timespec time = { (time_t)(ns / FERRY_S(1)), (long)(ns % FERRY_S(1)) };

	while (nanosleep(&time, &time) != 0)
		;
}

static bool read_host(struct top_host *host, const struct top_options *options,
                      struct top_host *before)
{
	struct top_wish wish = { options->directory, options->which, options->dead };
	char why[FY_MONITOR_WHY];

	if (top_host_read(host, &wish, before, why) == 0)
		return true;
	fprintf(stderr, "ferry-top: %s\n", why);
	return false;
}

/* Does the form have rates, and does anybody live that could have some? */
static bool has_rates(const struct top_options *options, const struct top_host *host)
{
	return (options->form == TOP_TABLE || options->form == TOP_JSON) &&
	       host->n > top_host_dead(host);
}

/* Two readings with a pause between, where rates are wanted. */
static bool read_twice(struct top_host *host, const struct top_options *options)
{
	struct top_host first;

	if (!read_host(&first, options, NULL))
		return false;
	if (!has_rates(options, &first)) {
		*host = first;
		return true;
	}
	rest(options->interval_given ? options->interval : BRIEF_INTERVAL);
	if (read_host(host, options, &first))
		return true;
	top_host_free(&first);
	return false;
}

/* ---- printing ---------------------------------------------------------------------------- */

static void print_tables(struct top_page *page, const struct top_options *options,
                         const struct top_host *host)
{
	size_t i;

	if (options->dead && !options->which) {
		top_dead(page, host);
		return;
	}
	if (!options->which || host->n_unreadable)
		top_table(page, host, -1);
	if (!options->which)
		return;
	for (i = 0; i < host->n; i++) {
		if (i)
			top_line(page, TOP_PLAIN, "%s", "");
		top_detail(page, &host->engines[i]);
	}
}

static void print_plots(struct top_page *page, const struct top_options *options,
                        const struct top_host *host)
{
	size_t i;

	if (!host->n && !options->which)
		top_table(page, host, -1);
	for (i = 0; i < host->n; i++) {
		if (i)
			top_line(page, TOP_PLAIN, "%s", "");
		top_plot(page, &host->engines[i]);
	}
}

/* A stream has as many columns as the terminal, if it is one, and no end of lines. */
static void print_page(const struct top_options *options, const struct top_host *host)
{
	struct top_page page;
	int rows, columns;

	top_screen_size(&rows, &columns);
	top_page_init(&page, 0, columns, false);
	if (options->form == TOP_PLOT)
		print_plots(&page, options, host);
	else
		print_tables(&page, options, host);
	if (page.text)
		fputs(page.text, stdout);
	if (page.failed)
		fputs("ferry-top: out of memory\n", stderr);
	top_page_free(&page);
}

static bool draw_picture(const struct top_options *options, const struct top_host *host)
{
	if (host->n == 1)
		return top_picture(options->picture, &host->engines[0]);
	fprintf(stderr,
	        "ferry-top: a picture is of one engine, and %zu fit; name one, by rank, pid:N or "
	        "name\n",
	        host->n);
	return false;
}

static bool print(const struct top_options *options, const struct top_host *host)
{
	if (options->form == TOP_JSON)
		top_json(stdout, host);
	else if (options->form == TOP_PROMETHEUS)
		top_prometheus(stdout, host);
	else if (options->picture)
		return draw_picture(options, host);
	else
		print_page(options, host);
	return true;
}

/* ---- the status -------------------------------------------------------------------------- */

/* 1: something is wrong. Who asks for one engine that is not there is told so. */
static int judge(const struct top_options *options, const struct top_host *host)
{
	if (options->which && !host->n && !host->n_unreadable) {
		fprintf(stderr, "ferry-top: no %sengine of yours here is '%s'\n",
		        options->dead ? "dead " : "", options->which);
		return 1;
	}
	return top_host_wrong(host) || host->n_unreadable || host->failed;
}

static int once(const struct top_options *options)
{
	struct top_host host;
	int status;

	if (!read_twice(&host, options))
		return 1;
	status = print(options, &host) ? judge(options, &host) : 1;
	top_host_free(&host);
	return fflush(stdout) == 0 ? status : 1;
}

static int several(const struct top_options *options)
{
	struct top_host host, next;
	int status = 0;
	int64_t i;

	if (!read_host(&host, options, NULL))
		return 1;
	for (i = 0; i < options->count; i++) {
		rest(options->interval);
		if (!read_host(&next, options, &host)) {
			top_host_free(&host);
			return 1;
		}
		host = next;
		if (i)
			fputc('\n', stdout);
		print(options, &host);
		status = judge(options, &host);
		if (fflush(stdout) != 0)
			status = 1;
	}
	top_host_free(&host);
	return status;
}

int main(int argc, char **argv)
{
	struct top_options options;
	char error[512];

	switch (top_options_parse(&options, argc, argv, error, sizeof(error))) {
	case TOP_WRONG:
		return fprintf(stderr, "ferry-top: %s\n", error), 2;
	case TOP_HELP:
		return top_options_help(stdout), 0;
	case TOP_VERSION:
		return printf("ferry-top, ferry %s\n", FERRY_VERSION), 0;
	default:
		break;
	}
	if (options.clean)
		return top_clean(&options);
	if (options.count)
		return several(&options);
	if (options.once || options.form != TOP_TABLE || !isatty(STDOUT_FILENO))
		return once(&options);
	return top_watch(&options);
}
