/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a farm that all contestants share. Tasks are numbered from 1 in the order in which
 * they are given. What is checked:
 *
 *   - a thread that has a task returns the result of that task, and of no other;
 *   - each thread gets its tasks in the order in which they were given;
 *   - there are as many results as tasks;
 *   - the last byte of each task and result is that of its number.
 *
 * Afterwards a second or more must have been shared evenly: with Ferry no thread does more than
 * twice the tasks of another. Which thread of a peer runs is the scheduler's choice, and MPI's.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compute.h"
#include "farm.h"
#include "team.h"

/* ---- what is in a task and in a result -------------------------------------- */

/* The first 8 bytes: the number, 0 for none (in a task: the end), and the thread. */
#define THREAD_BITS 16

static void farm_write(char *bytes, size_t nbytes, uint64_t number, int thread)
{
	uint64_t word = number << THREAD_BITS | (uint64_t)thread;

	if (nbytes > sizeof(word))
		bytes[nbytes - 1] = (char)(unsigned char)number;
	memcpy(bytes, &word, sizeof(word));
}

static uint64_t farm_read(const char *bytes, size_t nbytes, int *thread_p)
{
	uint64_t word, number;

	memcpy(&word, bytes, sizeof(word));
	number = word >> THREAD_BITS;
	*thread_p = (int)(word & ((1u << THREAD_BITS) - 1));
	if (nbytes > sizeof(word) && bytes[nbytes - 1] != (char)(unsigned char)number)
		perf_fatal("farm: the bytes that arrived are not those that were sent");
	return number;
}

bool farm_is_end(const void *task)
{
	uint64_t word;

	memcpy(&word, task, sizeof(word));
	return word >> THREAD_BITS == 0;
}

/* ---- the master ----------------------------------------------------------------- */

static uint64_t next_number(struct farm *farm)
{
	uint64_t now = perf_nanoseconds();

	if (farm->end == 0)
		farm->end = now + (uint64_t)(farm->trial->duration * 1e9);
	return now < farm->end ? ++farm->last : 0;
}

static void take_result(struct farm *farm, struct farm_worker *worker, uint64_t number)
{
	if (number != worker->given)
		perf_fatal("farm: a result is of task %" PRIu64 ", not of %" PRIu64, number,
		           worker->given);
	worker->tasks += number != 0;
	farm->results += number != 0;
}

const char *farm_next(struct farm *farm, int rank, const void *result, int *thread_p, int *active_p)
{
	const struct perf_trial *trial = farm->trial;
	uint64_t number = farm_read(result, trial->result, thread_p);
	struct farm_worker *worker;

	if (*thread_p >= trial->threads)
		perf_fatal("farm: there is no thread %d", *thread_p);
	worker = &farm->workers[(rank - 1) * trial->threads + *thread_p];
	pthread_mutex_lock(&farm->lock);
	take_result(farm, worker, number);
	worker->given = next_number(farm);
	if (worker->given == 0)
		farm->active--;
	*active_p = farm->active;
	pthread_mutex_unlock(&farm->lock);
	farm_write(worker->task, trial->size, worker->given, *thread_p);
	return worker->task;
}

static int workers_count(const struct farm *farm)
{
	return (farm->world->size - 1) * farm->trial->threads;
}

/* After the trial: how many tasks were done, and how evenly. A thread that got none counts as if it
 * had got one. */
static void close_books(struct farm *farm)
{
	uint64_t most = 1, least = UINT64_MAX, tasks;
	int i;

	if (farm->results != farm->last)
		perf_fatal("farm: %" PRIu64 " results of %" PRIu64 " tasks", farm->results,
		           farm->last);
	for (i = 0; i < workers_count(farm); i++) {
		tasks = farm->workers[i].tasks ? farm->workers[i].tasks : 1;
		most = tasks > most ? tasks : most;
		least = tasks < least ? tasks : least;
	}
	farm->trial->count = farm->results;
	farm->trial->values[3] = (double)most / (double)least;
}

/* ---- a worker ---------------------------------------------------------------------- */

static void work(struct perf_member *member)
{
	struct farm *farm = member->arg;
	const struct perf_trial *trial = farm->trial;
	struct farm_seat *seat = &farm->seats[member->index];
	uint64_t number = 0, before;
	int thread;

	do {
		before = number;
		farm_write(seat->result, trial->result, number, member->index);
		farm->way->ask(farm, member->index);
		number = farm_read(seat->task, trial->size, &thread);
		if (thread != member->index || (number != 0 && number <= before))
			perf_fatal("farm: task %" PRIu64 " of thread %d came after %" PRIu64
			           " of thread %d",
			           number, thread, before, member->index);
		perf_compute(number ? farm->rounds : 0);
	} while (number != 0);
}

static void run_workers(struct farm *farm, struct perf_team *team)
{
	perf_team_go(team);
	if (farm->way->pump)
		farm->way->pump(farm);
	perf_team_join(team);
}

/* ---- a trial ------------------------------------------------------------------------ */

/* How many rounds of work a task has, the same on all ranks. The master measures it, because its
 * threads are idle then. */
static uint64_t rounds_of(const struct perf_world *world, int microseconds)
{
	static double each; /* rounds of a microsecond */

	if (microseconds == 0)
		return 0;
	if (each == 0) {
		if (world->rank == 0)
			each = (double)perf_compute_rounds(1) * 1e-6;
		MPI_Bcast(&each, 1, MPI_DOUBLE, 0, world->comm);
	}
	return (uint64_t)(each * microseconds) + 1;
}

static void farm_create(struct farm *farm)
{
	const struct perf_trial *trial = farm->trial;
	int i, workers = workers_count(farm);

	farm->rounds = rounds_of(farm->world, trial->work);
	farm->seats = perf_allocate((size_t)trial->threads * sizeof(*farm->seats));
	farm->workers = perf_allocate((size_t)workers * sizeof(*farm->workers));
	farm->active = workers;
	if (pthread_mutex_init(&farm->lock, NULL) != 0)
		perf_fatal("a lock cannot be made");
	for (i = 0; farm->world->rank == 0 && i < workers; i++)
		farm->workers[i].task = perf_payload(trial->size);
	for (i = 0; farm->world->rank != 0 && i < trial->threads; i++) {
		farm->seats[i].result = perf_payload(trial->result);
		farm->seats[i].task = perf_payload(trial->size);
	}
}

static void farm_destroy(struct farm *farm)
{
	int i;

	for (i = 0; i < workers_count(farm); i++)
		free(farm->workers[i].task);
	for (i = 0; i < farm->trial->threads; i++) {
		free(farm->seats[i].result);
		free(farm->seats[i].task);
	}
	pthread_mutex_destroy(&farm->lock);
	free(farm->workers);
	free(farm->seats);
}

void farm_run(struct perf_world *world, struct perf_trial *trial, const struct farm_way *way)
{
	struct farm farm = { .world = world, .trial = trial, .way = way };
	struct perf_team team;

	farm_create(&farm);
	if (world->rank != 0)
		perf_team_start(&team, trial->threads, work, &farm);
	way->enter(&farm);
	perf_clock_start(trial);
	if (world->rank == 0)
		way->serve(&farm);
	else
		run_workers(&farm, &team);
	perf_clock_stop(trial);
	way->leave(&farm);
	if (world->rank == 0)
		close_books(&farm);
	farm_destroy(&farm);
}

/* Processor time is that of all ranks together. */
static void measure(const struct perf_world *world, struct perf_trial *trial)
{
	double tasks = trial->count ? (double)trial->count : 1;

	(void)world;
	trial->values[0] = tasks / trial->seconds;
	trial->values[1] = trial->seconds / tasks * 1e6;
	trial->values[2] = trial->processor / tasks * 1e6;
}

const struct perf_mode perf_farm_mode = {
	.name = "farm",
	.summary = "rank 0 gives tasks to T threads of each other rank, one at a time",
	.ranks_min = 2,
	.ranks_max = 1 << 20,
	.metrics = { { "rate", "tasks/s", true, true },
	             { "task", "us", false, false },
	             { "processor", "us", true, false },
	             { "most / least", "times", false, false } },
	.metrics_count = 4,
	.most = { [3] = 2 },
	.contestants = { &perf_farm_ferry, &perf_farm_post, &perf_farm_isend, &perf_farm_multiple,
	                 &perf_farm_funneled, NULL },
	.measure = measure,
	.threads = 4,
	.size = 8,
	.size_min = 8,
	.result = 8,
	.window = 1,
	.duration = 1,
	.repetitions = 5,
};
