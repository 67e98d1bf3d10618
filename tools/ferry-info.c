/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ferry-info: which Ferry and which MPI this is, what the options are set to, and where the
 * progress thread runs. It opens an engine for that, as a program would, and its ranks tell rank 0
 * by messages where they are. The parts that are printed are in info/.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "info/info.h"
#include "info/out.h"

#define OP_HERE 1
#define PATIENCE FERRY_S(30)

static const char help_text[] =
	"Usage: ferry-info [OPTION...]\n"
	"       mpiexec -n RANKS ferry-info [OPTION...]\n\n"
	"Prints which Ferry this is and how it was built, its MPI, each option with its\n"
	"value, and on which processors the ranks and their progress threads run. Rank 0\n"
	"prints.\n\n"
	"      --build          only the version, and how it was built\n"
	"      --mpi            only MPI\n"
	"      --options        only the options; with --build it does without MPI\n"
	"      --places         only the processors\n"
	"      --all            the processors of every rank\n"
	"      --json           all of it as JSON\n"
	"  -h, --help           this text\n"
	"      --version        the version of the library\n\n"
	"Exit status: 0; 1 if something is wrong, and was said; 2 if it was called wrongly.\n";

enum { ASKS = -1, BUILD = 256, MPI, OPTIONS, PLACES, ALL, JSON, VERSION };

static const struct option long_options[] = {
	{ "build", no_argument, NULL, BUILD },
	{ "mpi", no_argument, NULL, MPI },
	{ "options", no_argument, NULL, OPTIONS },
	{ "places", no_argument, NULL, PLACES },
	{ "all", no_argument, NULL, ALL },
	{ "json", no_argument, NULL, JSON },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, VERSION },
	{ NULL, 0, NULL, 0 },
};

/* Who started this process, and is it the one that speaks? Only the launcher's variables tell where
 * no engine is. */
static bool speaks(const char **launcher_p)
{
	static const char *const names[][2] = {
		{ "OMPI_COMM_WORLD_RANK", "Open MPI's launcher" },
		{ "PMI_RANK", "a launcher that speaks PMI, such as MPICH's" },
		{ "PMIX_RANK", "a launcher that speaks PMIx" },
		{ "SLURM_PROCID", "Slurm" },
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *rank = getenv(names[i][0]);
		if (!rank)
			continue;
		*launcher_p = names[i][1];
		return strcmp(rank, "0") == 0;
	}
	*launcher_p = "no launcher";
	return true;
}

static int wrong(bool speaker, const char *what, const char *word)
{
	if (speaker)
		fprintf(stderr, "ferry-info: %s %s; see ferry-info --help\n", what, word);
	return 2;
}

static void take(struct info *info, int option)
{
	info->build |= option == BUILD;
	info->mpi |= option == MPI;
	info->options |= option == OPTIONS;
	info->places |= option == PLACES;
	info->all |= option == ALL;
	info->json |= option == JSON;
}

/* ASKS, or the exit status. */
static int read_words(struct info *info, bool speaker, int argc, char **argv)
{
	int option;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		if (option == '?')
			return wrong(speaker, "there is no option", argv[optind - 1]);
		if (option == 'h')
			return speaker ? fputs(help_text, stdout) < 0 : 0;
		if (option == VERSION)
			return speaker ? printf("ferry-info, ferry %s\n", ferry_version()) < 0 : 0;
		take(info, option);
	}
	if (optind < argc)
		return wrong(speaker, "it takes no", argv[optind]);
	if (!info->build && !info->mpi && !info->options && !info->places)
		info->build = info->mpi = info->options = info->places = true;
	return ASKS;
}

/* Rank 0 has room for all, and takes what each says. A rank that says nothing is missing. */
static void gather(struct info *info)
{
	ferry_message *message;
	const void *body;
	size_t nbytes;
	info->ranks_count = 1;
	for (int i = 1; i < ferry_size(info->engine); i++) {
		if (ferry_recv(info->engine, FERRY_ANY, OP_HERE, PATIENCE, &message) != FERRY_OK) {
			info->wrong = true;
			fprintf(stderr, "ferry-info: %d of %d ranks said where they are: %s\n", i,
			        ferry_size(info->engine), ferry_last_error());
			return;
		}
		body = ferry_message_body(message, &nbytes);
		if (nbytes == sizeof *info->ranks)
			memcpy(&info->ranks[info->ranks_count++], body, nbytes);
		ferry_message_release(message);
	}
}

/* The ranks beside rank 0 are sorted as they came. */
static int by_rank(const void *a, const void *b)
{
	return ((const struct info_rank *)a)->rank - ((const struct info_rank *)b)->rank;
}

static void look(struct info *info)
{
	int size = 1;
	if (ferry_open(NULL, &info->engine) != FERRY_OK) {
		snprintf(info->failure, sizeof info->failure, "%s", ferry_last_error());
		info->engine = NULL;
		info->wrong = true;
	} else if (ferry_rank(info->engine) == 0) {
		size = ferry_size(info->engine);
	}
	info->ranks = calloc((size_t)size, sizeof *info->ranks);
	if (!info->ranks)
		abort();
	info_look(&info->ranks[0], info->engine);
	info->ranks_count = 1;
	if (!info->engine)
		return;
	if (ferry_rank(info->engine) != 0) {
		ferry_post(info->engine, 0, OP_HERE, info->ranks, sizeof *info->ranks, NULL);
	} else {
		gather(info);
		qsort(info->ranks, (size_t)info->ranks_count, sizeof *info->ranks, by_rank);
	}
}

static void print(struct info *info)
{
	struct info_out out;
	info_out_begin(&out, stdout, info->json);
	if (info->build)
		info_print_build(&out);
	if (info->mpi)
		info_print_mpi(&out, info);
	if (info->options)
		info_print_options(&out, info);
	if (info->places)
		info_print_places(&out, info);
	if (info->json)
		info_out_text(&out, "failure", *info->failure ? info->failure : NULL);
	info_out_end(&out);
	if (*info->failure)
		fprintf(stderr, "ferry-info: no engine opens: %s\n", info->failure);
}

int main(int argc, char **argv)
{
	static struct info info;
	bool speaker = speaks(&info.launcher);
	int status = read_words(&info, speaker, argc, argv);
	if (status != ASKS)
		return status;
	if (info.mpi || info.places)
		look(&info);
	if (info.engine)
		speaker = ferry_rank(info.engine) == 0;
	if (speaker)
		print(&info);
	if (info.engine && ferry_close(info.engine) != FERRY_OK) {
		fprintf(stderr, "ferry-info: %s\n", ferry_last_error());
		info.wrong = true;
	}
	free(info.ranks);
	return info.wrong || fflush(stdout) != 0;
}
