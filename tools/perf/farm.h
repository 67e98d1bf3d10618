/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A master and its workers: rank 0 gives tasks to the threads of all other ranks, one at a time. A
 * thread asks with the result of its last task and waits for the next one. The work, the messages
 * and the master's books are the same for all contestants (farm.c); they differ in how a thread
 * asks and how rank 0 hears it (farm_ferry.c, farm_mpi.c).
 */
#ifndef PERF_FARM_H
#define PERF_FARM_H

#include <pthread.h>

#include "engine.h"
#include "perf.h"

/* What a working thread has. */
struct farm_seat {
	char *result; /* of its last task, trial.result bytes */
	char *task;   /* the next one, trial.size bytes */
	/* funneled only: */
	pthread_cond_t served;
	bool answered; /* under funnel.lock */
	MPI_Request request;
};

/* What the master knows of a thread. */
struct farm_worker {
	uint64_t given;     /* the task that it has; 0: none yet */
	uint64_t tasks;     /* how many it has done */
	char *task;         /* what is sent to it */
	ferry_future *sent; /* farm_ferry.c: the last task's */
};

struct farm {
	struct perf_world *world;
	struct perf_trial *trial;
	const struct farm_way *way;
	uint64_t rounds;               /* of work in a task */
	struct farm_seat *seats;       /* of this rank's threads */
	struct perf_receiver receiver; /* Ferry's */
	struct farm_funnel *funnel;    /* farm_mpi.c */
	/* Rank 0's, under lock: */
	pthread_mutex_t lock;
	struct farm_worker *workers; /* thread t of rank r: (r - 1) * threads + t */
	int active;                  /* threads that were not told the end yet */
	uint64_t last;               /* the last task that was given */
	uint64_t results;
	uint64_t end; /* when no more tasks are given, ns; 0: not known yet */
};

struct farm_way {
	/* Collective; enter ends with a barrier. */
	void (*enter)(struct farm *farm);
	void (*leave)(struct farm *farm);
	/* Send seats[thread].result, and wait for its task. */
	void (*ask)(struct farm *farm, int thread);
	/* Rank 0's main thread, until nobody is active. */
	void (*serve)(struct farm *farm);
	/* The other ranks' main threads; may be NULL. */
	void (*pump)(struct farm *farm);
};

void farm_run(struct perf_world *world, struct perf_trial *trial, const struct farm_way *way);

/* A thread of `rank` has asked, with this result. Returns its next task, whose memory stays the
 * master's until the thread asks again. *active_p: how many threads will ask again. Takes the
 * lock. */
const char *farm_next(struct farm *farm, int rank, const void *result, int *thread_p,
                      int *active_p);
/* Is it the end instead of a task? */
bool farm_is_end(const void *task);

extern const struct perf_contestant perf_farm_ferry;
extern const struct perf_contestant perf_farm_post;
extern const struct perf_contestant perf_farm_isend;
extern const struct perf_contestant perf_farm_multiple;
extern const struct perf_contestant perf_farm_funneled;

#endif /* PERF_FARM_H */
