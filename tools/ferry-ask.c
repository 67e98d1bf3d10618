/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ferry-ask: one question to whole jobs, from any shell of the user on any host of them. It needs
 * no MPI, and no thread of the program that can go on.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ferry.h"

#include "ask/ask.h"
#include "watch/verdict.h"

enum { FINE, TROUBLE, WRONG };

static const char usage[] =
	"usage: ferry-ask [OPTION]...\n"
	"Ask the ranks of each of your jobs how they are. Those in an equal state are one line, "
	"and\n"
	"what is wrong stands first.\n"
	"\n"
	"  -j, --job ID          that job, as the first line of an answer names it\n"
	"  -p, --pid PID         the jobs that this process has a rank of\n"
	"  -r, --rank RANK       the jobs of which that rank is on this host\n"
	"  -t, --timeout SECONDS for all of it; 3\n"
	"  -d, --directory DIR   where the monitor files are\n"
	"      --why             is it stuck? Asks twice, and says who waits for whom\n"
	"      --dot             the same as a graph, for dot\n"
	"      --json            every number, as JSON\n"
	"      --help, --version\n"
	"\n"
	"The status is 0 if all ranks answer (--why: if nothing is stuck), 1 if not or if there is "
	"no\n"
	"job, 2 if the command is wrong.\n";

static int wrong(const char *sentence, const char *what)
{
	fprintf(stderr, "ferry-ask: %s%s%s (see ferry-ask --help)\n", sentence, *what ? ": " : "",
	        what);
	return WRONG;
}

static bool read_number(const char *text, int base, uint64_t max, uint64_t *value_p)
{
	char *end;
	if (*text == '-' || *text == '\0')
		return false;
	*value_p = strtoull(text, &end, base);
	return !*end && *value_p <= max;
}

/* Of seconds, with a decimal point in any locale. */
static bool read_time(const char *text, int64_t *time_p)
{
	int64_t ns = 0, unit = FERRY_S(1);
	bool point = false, any = false;
	for (; *text; text++) {
		if (*text == '.' && !point) {
			point = true;
			continue;
		}
		if (*text < '0' || *text > '9')
			return false;
		any = true;
		if (point)
			unit /= 10;
		ns = point ? ns + (*text - '0') * unit : ns * 10 + (*text - '0') * FERRY_S(1);
		if (ns > FERRY_S(60))
			return false;
	}
	*time_p = ns;
	return any && ns >= FERRY_MS(100);
}

/* -1: go on; else the status to end with. */
static int take_option(int c, struct ask_options *o)
{
	uint64_t number;
	switch (c) {
	case 'j':
		return read_number(optarg, 16, UINT64_MAX, &o->job) && o->job
		               ? -1
		               : wrong("a job is a number of 16 digits, 0 to f", optarg);
	case 'p':
		if (!read_number(optarg, 10, INT32_MAX, &number))
			return wrong("that is no process", optarg);
		o->pid = (int)number;
		return -1;
	case 'r':
		if (!read_number(optarg, 10, INT32_MAX, &number))
			return wrong("that is no rank", optarg);
		o->rank = (int)number;
		return -1;
	case 't':
		return read_time(optarg, &o->timeout)
		               ? -1
		               : wrong("a timeout is from 0.1 to 60 seconds", optarg);
	case 'd':
		o->directory = optarg;
		return -1;
	case 'J':
		o->json = true;
		return -1;
	case 'D':
		o->dot = true; /* and why */
			       /* fallthrough */
	case 'W':
		o->why = true;
		return -1;
	case 'h':
		fputs(usage, stdout);
		return FINE;
	case 'v':
		printf("ferry-ask %s\n", ferry_version());
		return FINE;
	default:
		return wrong("that option is not known", "");
	}
}

static int take_options(int argc, char **argv, struct ask_options *o)
{
	static const struct option options[] = { { "job", required_argument, NULL, 'j' },
		                                 { "pid", required_argument, NULL, 'p' },
		                                 { "rank", required_argument, NULL, 'r' },
		                                 { "timeout", required_argument, NULL, 't' },
		                                 { "directory", required_argument, NULL, 'd' },
		                                 { "why", no_argument, NULL, 'W' },
		                                 { "dot", no_argument, NULL, 'D' },
		                                 { "json", no_argument, NULL, 'J' },
		                                 { "help", no_argument, NULL, 'h' },
		                                 { "version", no_argument, NULL, 'v' },
		                                 { 0 } };
	int c, status = -1;
	opterr = 0;
	while (status < 0 && (c = getopt_long(argc, argv, "j:p:r:t:d:", options, NULL)) >= 0)
		status = take_option(c, o);
	if (status < 0 && optind < argc)
		status = wrong("that is no option", argv[optind]);
	return status;
}

/* ---- what is found --------------------------------------------------------------------------- */

static int show_job(const struct ask_options *o, const struct ask_job *job)
{
	struct ask_fold fold;
	if (!ask_fold(job, &fold))
		return wrong("there is no memory", "");
	int status = fold.n_trouble ? TROUBLE : FINE;
	if (o->json)
		ask_print_json(stdout, job, &fold);
	else
		ask_print(stdout, job, &fold);
	ask_fold_free(&fold);
	return status;
}

static void say_left_out(const struct ask_jobs *jobs)
{
	if (jobs->ended)
		fprintf(stderr,
		        "ferry-ask: of %u job%s no process of this host lives any more: "
		        "ferry-top --dead says what was open, ferry-ask --job ID asks for one\n",
		        jobs->ended, jobs->ended == 1 ? "" : "s");
}

static int show_all(const struct ask_options *o, const struct ask_jobs *jobs)
{
	int status = jobs->n ? FINE : TROUBLE;
	if (o->json)
		printf("{\"version\": 1, \"jobs\": [%s", jobs->n ? "\n" : "");
	for (unsigned i = 0; i < jobs->n; i++) {
		if (i)
			printf(o->json ? ",\n" : "\n");
		int of_job = show_job(o, &jobs->jobs[i]);
		status = of_job > status ? of_job : status;
	}
	if (o->json)
		printf("%s]}\n", jobs->n ? "\n" : "");
	if (jobs->unread)
		fprintf(stderr, "ferry-ask: %u file%s not read: %s\n", jobs->unread,
		        jobs->unread == 1 ? " was" : "s were", jobs->why);
	say_left_out(jobs);
	if (!jobs->n && !jobs->ended)
		fprintf(stderr, "ferry-ask: no engine of yours on this host has a monitor file%s\n",
		        o->job || o->pid >= 0 || o->rank >= 0 ? " and is what you named" : "");
	return status;
}

/* Two rounds, with a pause in which everything that moves shows it. */
static int ask_twice(const struct ask_options *o, struct ask_jobs *jobs, char why[ASK_WHY])
{
	struct timespec pause = { 0, FY_VERDICT_APART };
	struct ask_jobs before;
	int status = -1;
	if (ask_collect(o, &before, why)) {
		nanosleep(&pause, NULL);
		if (ask_collect(o, jobs, why)) {
			ask_leave_out_ended(o, jobs);
			status = ask_why(stdout, o, &before, jobs);
		}
	}
	ask_free(&before);
	if (status < 0)
		fprintf(stderr, "ferry-ask: %s\n", *why ? why : "there is no memory");
	else if (!jobs->n && !jobs->ended)
		fprintf(stderr, "ferry-ask: no engine of yours on this host has a monitor file\n");
	if (status >= 0)
		say_left_out(jobs);
	return status == 0 ? FINE : TROUBLE;
}

int main(int argc, char **argv)
{
	struct ask_options o = { .pid = -1, .rank = -1, .timeout = FERRY_S(3) };
	struct ask_jobs jobs = { 0 };
	char why[ASK_WHY] = "";
	int status = take_options(argc, argv, &o);
	if (status >= 0)
		return status;
	if (o.why) {
		status = ask_twice(&o, &jobs, why);
	} else if (ask_collect(&o, &jobs, why)) {
		ask_leave_out_ended(&o, &jobs);
		status = show_all(&o, &jobs);
	} else {
		fprintf(stderr, "ferry-ask: %s\n", why);
		status = TROUBLE;
	}
	ask_free(&jobs);
	if (fflush(stdout) != 0)
		status = TROUBLE;
	return status;
}
