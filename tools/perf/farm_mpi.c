/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A farm with plain MPI. The master is one thread that probes. A working thread
 *
 *   multiple  sends and receives by itself, under MPI_THREAD_MULTIPLE
 *   funneled  puts its seat into a queue and sleeps. The main thread of its rank sends what is
 *             queued, receives tasks, and wakes the threads that they are for. The main thread
 *             sleeps while no thread waits for a task. Else it looks for both, and yields when it
 *             finds neither, because threads may outnumber processors.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "farm.h"
#include "peer.h"

static void enter(struct farm *farm)
{
	MPI_Barrier(farm->world->comm);
}

static void leave(struct farm *farm)
{
	(void)farm;
}

/* ---- the master ---------------------------------------------------------------------- */

static void serve(struct farm *farm)
{
	MPI_Comm comm = farm->world->comm;
	char *result = perf_payload(farm->trial->result);
	int thread, active;
	MPI_Status status;
	const char *task;

	do {
		MPI_Probe(MPI_ANY_SOURCE, PERF_TAG_DATA, comm, &status);
		MPI_Recv(result, (int)farm->trial->result, MPI_BYTE, status.MPI_SOURCE,
		         PERF_TAG_DATA, comm, MPI_STATUS_IGNORE);
		task = farm_next(farm, status.MPI_SOURCE, result, &thread, &active);
		MPI_Send(task, (int)farm->trial->size, MPI_BYTE, status.MPI_SOURCE,
		         PERF_TAG_THREADS + thread, comm);
	} while (active > 0);
	free(result);
}

/* ---- multiple -------------------------------------------------------------------------- */

static void ask_multiple(struct farm *farm, int thread)
{
	struct farm_seat *seat = &farm->seats[thread];

	MPI_Send(seat->result, (int)farm->trial->result, MPI_BYTE, 0, PERF_TAG_DATA,
	         farm->world->comm);
	MPI_Recv(seat->task, (int)farm->trial->size, MPI_BYTE, 0, PERF_TAG_THREADS + thread,
	         farm->world->comm, MPI_STATUS_IGNORE);
}

/* ---- funneled --------------------------------------------------------------------------- */

struct farm_funnel {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	int queue[PERF_THREADS_MAX]; /* threads that ask */
	int queued;
	int waiting; /* the main thread's: asked for, not answered */
};

static void enter_funneled(struct farm *farm)
{
	int i;

	farm->funnel = perf_allocate(sizeof(*farm->funnel));
	if (pthread_mutex_init(&farm->funnel->lock, NULL) != 0 ||
	    pthread_cond_init(&farm->funnel->filled, NULL) != 0)
		perf_fatal("a queue cannot be made");
	for (i = 0; i < farm->trial->threads; i++)
		if (pthread_cond_init(&farm->seats[i].served, NULL) != 0)
			perf_fatal("a queue cannot be made");
	enter(farm);
}

static void leave_funneled(struct farm *farm)
{
	int i;

	for (i = 0; i < farm->trial->threads; i++)
		pthread_cond_destroy(&farm->seats[i].served);
	pthread_cond_destroy(&farm->funnel->filled);
	pthread_mutex_destroy(&farm->funnel->lock);
	free(farm->funnel);
}

static void ask_funneled(struct farm *farm, int thread)
{
	struct farm_funnel *funnel = farm->funnel;
	struct farm_seat *seat = &farm->seats[thread];

	pthread_mutex_lock(&funnel->lock);
	funnel->queue[funnel->queued++] = thread;
	pthread_cond_signal(&funnel->filled);
	for (seat->answered = false; !seat->answered;)
		pthread_cond_wait(&seat->served, &funnel->lock);
	pthread_mutex_unlock(&funnel->lock);
}

/* Takes all that is queued. Sleeps until there is something if no task is awaited. */
static int take_queue(struct farm_funnel *funnel, int *threads)
{
	int count;

	pthread_mutex_lock(&funnel->lock);
	while (funnel->queued == 0 && funnel->waiting == 0)
		pthread_cond_wait(&funnel->filled, &funnel->lock);
	count = funnel->queued;
	memcpy(threads, funnel->queue, (size_t)count * sizeof(*threads));
	funnel->queued = 0;
	pthread_mutex_unlock(&funnel->lock);
	return count;
}

static void send_result(struct farm *farm, int thread)
{
	MPI_Isend(farm->seats[thread].result, (int)farm->trial->result, MPI_BYTE, 0, PERF_TAG_DATA,
	          farm->world->comm, &farm->seats[thread].request);
	farm->funnel->waiting++;
}

/* How many threads were told the end. */
static int receive_task(struct farm *farm, int thread)
{
	struct farm_funnel *funnel = farm->funnel;
	struct farm_seat *seat = &farm->seats[thread];
	int ended;

	MPI_Recv(seat->task, (int)farm->trial->size, MPI_BYTE, 0, PERF_TAG_THREADS + thread,
	         farm->world->comm, MPI_STATUS_IGNORE);
	MPI_Wait(&seat->request, MPI_STATUS_IGNORE);
	funnel->waiting--;
	ended = farm_is_end(seat->task);
	pthread_mutex_lock(&funnel->lock);
	seat->answered = true;
	pthread_cond_signal(&seat->served);
	pthread_mutex_unlock(&funnel->lock);
	return ended;
}

static void pump(struct farm *farm)
{
	int threads[PERF_THREADS_MAX], open = farm->trial->threads, taken, found, i;
	MPI_Status status;

	while (open > 0) {
		taken = take_queue(farm->funnel, threads);
		for (i = 0; i < taken; i++)
			send_result(farm, threads[i]);
		MPI_Iprobe(0, MPI_ANY_TAG, farm->world->comm, &found, &status);
		if (found)
			open -= receive_task(farm, status.MPI_TAG - PERF_TAG_THREADS);
		else if (taken == 0)
			sched_yield();
	}
}

/* ---- the contestants ---------------------------------------------------------------- */

static const struct farm_way multiple_way = { enter, leave, ask_multiple, serve, NULL };
static const struct farm_way funneled_way = { enter_funneled, leave_funneled, ask_funneled, serve,
	                                      pump };

static void run_multiple(struct perf_world *world, struct perf_trial *trial)
{
	farm_run(world, trial, &multiple_way);
}

static void run_funneled(struct perf_world *world, struct perf_trial *trial)
{
	farm_run(world, trial, &funneled_way);
}

const struct perf_contestant perf_farm_multiple = {
	"multiple",
	"MPI_THREAD_MULTIPLE, MPI_Send and MPI_Recv by each thread, a master that probes",
	MPI_THREAD_MULTIPLE,
	false,
	0,
	run_multiple
};
const struct perf_contestant perf_farm_funneled = {
	"funneled",
	"one thread a rank sends and receives for all, by queues, a master that probes",
	MPI_THREAD_FUNNELED,
	false,
	0,
	run_funneled
};
