/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ferry-perf: Ferry beside plain MPI, in one job, in turns. The command line; the measuring is in
 * perf/.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "perf/beside.h"
#include "perf/duel.h"
#include "perf/memory.h"
#include "perf/options.h"
#include "perf/preload.h"
#include "perf/report.h"

/* Is this the process that speaks for the job? Before MPI is initialized only the launcher's
 * variables in the environment tell. */
static bool speaks(void)
{
	static const char *const names[] = { "PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK",
		                             "SLURM_PROCID" };
	const char *rank;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		rank = getenv(names[i]);
		if (rank)
			return strcmp(rank, "0") == 0;
	}
	return true;
}

/* Do what needs no MPI. -1: there is something to measure; else the exit status. */
static int answer(enum perf_request request, const char *error)
{
	if (request == PERF_RUN)
		return -1;
	if (!speaks())
		return request == PERF_WRONG ? 2 : 0;
	if (request == PERF_WRONG)
		return fprintf(stderr, "ferry-perf: %s\n", error), 2;
	if (request == PERF_VERSION)
		return printf("ferry-perf, ferry %s\n", ferry_version()), 0;
	perf_options_help(stdout);
	return 0;
}

static bool ranks_suit(const struct perf_world *world)
{
	const struct perf_mode *mode = world->options->mode;

	if (world->size >= mode->ranks_min && world->size <= mode->ranks_max)
		return true;
	if (world->rank == 0)
		fprintf(stderr,
		        "ferry-perf: %s runs on %s%d ranks, not on %d; start it with " FERRY_MPIEXEC
		        " -n %d\n",
		        mode->name, mode->ranks_max > mode->ranks_min ? "at least " : "",
		        mode->ranks_min, world->size, mode->ranks_min);
	return false;
}

static bool somebody_runs(const struct perf_world *world)
{
	const struct perf_mode *mode = world->options->mode;
	size_t i;

	if (world->options->preload && world->level == MPI_THREAD_MULTIPLE)
		return true;
	for (i = 0; mode->contestants[i]; i++)
		if (perf_wanted(world, mode->contestants[i]))
			return true;
	if (world->rank == 0)
		fprintf(stderr,
		        "ferry-perf: nothing that was asked for runs with MPI's thread level %s; "
		        "name a peer with --peers, or leave --level away\n",
		        perf_report_level(world->level));
	return false;
}

static bool layer_is_there(const struct perf_world *world)
{
	if (!world->options->preload || perf_preload_find())
		return true;
	if (world->rank == 0)
		fputs("ferry-perf: --preload needs libferry-preload; start the job by "
		      "ferry-preload " FERRY_MPIEXEC " ...\n",
		      stderr);
	return false;
}

static size_t largest_size(const struct perf_options *options)
{
	size_t largest = 0, i;

	for (i = 0; i < options->sizes_count; i++)
		if (options->sizes[i] > largest)
			largest = options->sizes[i];
	return largest;
}

static bool sizes_suffice(const struct perf_world *world)
{
	const struct perf_options *options = world->options;
	size_t i;

	for (i = 0; i < options->sizes_count; i++) {
		if (options->sizes[i] >= options->mode->size_min)
			continue;
		if (world->rank == 0)
			fprintf(stderr,
			        "ferry-perf: %s takes messages of at least %zu bytes, not %zu\n",
			        options->mode->name, options->mode->size_min, options->sizes[i]);
		return false;
	}
	return true;
}

static bool is_for_preload(const struct perf_world *world, const struct perf_contestant *contestant)
{
	const char *peer = world->options->preload;

	return peer && !contestant->engine && strcmp(peer, contestant->name) == 0;
}

static bool sizes_fit(const struct perf_world *world)
{
	const struct perf_mode *mode = world->options->mode;
	size_t largest = largest_size(world->options), i;

	for (i = 0; mode->contestants[i]; i++) {
		const struct perf_contestant *contestant = mode->contestants[i];

		if (!contestant->size_max || contestant->size_max >= largest ||
		    !(perf_wanted(world, contestant) || is_for_preload(world, contestant)))
			continue;
		if (world->rank == 0)
			fprintf(stderr,
			        "ferry-perf: %s takes messages of at most %zu bytes, not %zu; "
			        "leave that peer or that size out\n",
			        contestant->name, contestant->size_max, largest);
		return false;
	}
	return true;
}

static int write_json(const struct perf_world *world, const struct perf_result *result)
{
	FILE *file = fopen(world->options->json, "w");

	if (!file) {
		fprintf(stderr, "ferry-perf: %s cannot be written: %s\n", world->options->json,
		        strerror(errno));
		return 1;
	}
	perf_report_json(file, world, result);
	return fclose(file) == 0 ? 0 : 1;
}

static int report(const struct perf_world *world, const struct perf_result *result)
{
	const struct perf_options *options = world->options;
	bool json_only = options->json && strcmp(options->json, "-") == 0;
	int status = 0;

	if (json_only)
		perf_report_json(stdout, world, result);
	else
		perf_report_table(stdout, world, result);
	if (options->json && !json_only)
		status = write_json(world, result);
	if (options->plot && !perf_report_plot(options->plot, world, result))
		status = 1;
	if (!perf_report_limits(stderr, options, result))
		status = 1;
	return fflush(stdout) == 0 ? status : 1;
}

static int measure(struct perf_world *world)
{
	struct perf_result *result;
	int status = 0;

	if (!layer_is_there(world) || !ranks_suit(world) || !somebody_runs(world) ||
	    !sizes_suffice(world) || !sizes_fit(world))
		return 2;
	perf_beside_start(world, world->options->bound);
	result = perf_duel(world);
	world->beside_share = perf_beside_share(world);
	if (world->rank == 0)
		status = report(world, result);
	perf_result_destroy(result);
	return status;
}

/* MPI_Finalize of MPICH 4.0.2 over TCP does not return if one rank still makes progress while
 * another is inside already. So all ranks rest for a moment first. */
static void leave(struct perf_world *world)
{
	MPI_Comm_free(&world->comm);
	MPI_Barrier(MPI_COMM_WORLD);
	perf_sleep(0.05);
	MPI_Finalize();
}

int main(int argc, char **argv)
{
	static struct perf_options options;
	struct perf_world world = { .options = &options, .memory_before_mpi = perf_memory_held() };
	char error[512];
	int status = answer(perf_options_parse(&options, argc, argv, error, sizeof(error)), error);

	if (status >= 0)
		return status;
	perf_beside_create(options.beside);
	MPI_Init_thread(NULL, NULL, options.level, &world.level);
	MPI_Comm_dup(MPI_COMM_WORLD, &world.comm);
	MPI_Comm_rank(world.comm, &world.rank);
	MPI_Comm_size(world.comm, &world.size);
	status = measure(&world);
	perf_beside_end();
	leave(&world);
	return status;
}
