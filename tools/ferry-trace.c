/* SPDX-License-Identifier: Apache-2.0 */
/* ferry-trace: the timelines of a job's ranks, merged, with their clocks aligned. Needs no MPI. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "timeline/align.h"
#include "timeline/job.h"
#include "timeline/picture.h"
#include "timeline/show.h"

#define PAGE_SLICES 1000000 /* more than that make a page slow */

enum { NOTHING_WRONG, SOMETHING_WRONG, CALLED_WRONGLY };

static const char help[] =
	"usage: ferry-trace [OPTION...] DIR\n"
	"\n"
	"Merges the timelines that a job wrote with FERRY_TRACE=DIR. Without an option it\n"
	"prints a summary.\n"
	"\n"
	"  -o, --output FILE   write trace events, for https://ui.perfetto.dev and\n"
	"                      chrome://tracing\n"
	"      --html FILE     write one page that needs nothing but a browser\n"
	"      --lines         print a line for each post and call\n"
	"      --summary       print what is there, also beside another output\n"
	"      --json          print the same as JSON\n"
	"      --job NAME      of the jobs whose files are there: not the newest one, but that\n"
	"      --help          print this text\n"
	"      --version       print the version\n"
	"\n"
	"A FILE of - is the standard output. The status is 0; 1 if there is no timeline, or\n"
	"a file is damaged; 2 if it was called wrongly.\n";

struct wanted {
	const char *events, *page, *job, *directory;
	bool lines, summary, json;
};

enum {
	OPTION_HTML = 256,
	OPTION_LINES,
	OPTION_SUMMARY,
	OPTION_JSON,
	OPTION_JOB,
	OPTION_HELP,
	OPTION_VERSION
};

static const struct option options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "html", required_argument, NULL, OPTION_HTML },
	{ "lines", no_argument, NULL, OPTION_LINES },
	{ "summary", no_argument, NULL, OPTION_SUMMARY },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "job", required_argument, NULL, OPTION_JOB },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static void set_option(struct wanted *w, int option)
{
	switch (option) {
	case 'o':
		w->events = optarg;
		return;
	case OPTION_HTML:
		w->page = optarg;
		return;
	case OPTION_LINES:
		w->lines = true;
		return;
	case OPTION_SUMMARY:
		w->summary = true;
		return;
	case OPTION_JSON:
		w->json = true;
		return;
	case OPTION_JOB:
		w->job = optarg;
		return;
	case OPTION_HELP:
		fputs(help, stdout);
		exit(NOTHING_WRONG);
	case OPTION_VERSION:
		printf("ferry-trace %s\n", FERRY_VERSION);
		exit(NOTHING_WRONG);
	default:
		fputs("ferry-trace: see ferry-trace --help\n", stderr);
		exit(CALLED_WRONGLY);
	}
}

static void parse(struct wanted *w, int argc, char **argv)
{
	for (int option; (option = getopt_long(argc, argv, "o:", options, NULL)) != -1;)
		set_option(w, option);
	if (optind + 1 != argc) {
		fputs("ferry-trace: give one directory; see ferry-trace --help\n", stderr);
		exit(CALLED_WRONGLY);
	}
	w->directory = argv[optind];
	if (!w->events && !w->page && !w->lines && !w->json)
		w->summary = true;
}

/* Which of the two forms that go to a file. */
static bool show(const struct trace_picture *p, bool as_page, FILE *to)
{
	return as_page ? trace_show_page(p, PAGE_SLICES, to) : trace_show_events(p, to);
}

static bool write_file(const struct trace_picture *p, bool as_page, const char *name)
{
	bool standard = strcmp(name, "-") == 0;
	FILE *to = standard ? stdout : fopen(name, "we");
	bool ok = to && show(p, as_page, to);
	if (to)
		ok &= (standard ? fflush(to) : fclose(to)) == 0;
	if (!ok)
		fprintf(stderr, "ferry-trace: %s could not be written: %s\n", name,
		        strerror(errno));
	return ok;
}

static bool write_all(const struct trace_picture *p, const struct wanted *w)
{
	bool ok = true;
	if (w->events)
		ok &= write_file(p, false, w->events);
	if (w->page)
		ok &= write_file(p, true, w->page);
	if (w->lines)
		ok &= trace_show_lines(p, stdout);
	if (w->summary)
		ok &= trace_show_summary(p, stdout);
	if (w->json)
		ok &= trace_show_figures(p, stdout);
	return ok & (fflush(stdout) == 0);
}

int main(int argc, char **argv)
{
	struct wanted w = { 0 };
	struct trace_job job;
	struct trace_picture picture = { 0 };
	parse(&w, argc, argv);
	bool ok = trace_job_read(&job, w.directory, w.job, stderr);
	if (ok && (!trace_align(&job) || !trace_picture_make(&picture, &job))) {
		fputs("ferry-trace: there is not enough memory for so many events\n", stderr);
		ok = false;
	}
	if (ok)
		ok = write_all(&picture, &w);
	bool wrong = !ok || job.refused;
	for (size_t i = 0; i < job.count; i++)
		wrong |= job.files[i].malformed || job.files[i].cut;
	trace_picture_free(&picture);
	trace_job_free(&job);
	return wrong ? SOMETHING_WRONG : NOTHING_WRONG;
}
