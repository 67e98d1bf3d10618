/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The measuring core of ferry-perf: what a test is, what a run of it is asked
 * for, and what it answers.
 *
 *   mode        one test (rate, call, ...): its metrics and who contends in it
 *   contestant  Ferry, or a peer that does the same with plain MPI
 *   trial       one run of one contestant, on all ranks together
 *   point       one combination of threads and size, with the values of all
 *               trials of all contestants
 *
 * Contestants take turns within each repetition (Ferry, peer, peer, Ferry,
 * ...). A ratio is taken between trials of one repetition, because whatever
 * disturbs the machine during a minute disturbs both of them.
 *
 * Rules for a contestant's run():
 *  - all ranks call it; it returns when its messages are handled, and rank 0's
 *    values are kept;
 *  - a message counts when the receiver has read its payload (sink.h);
 *  - the clock starts after a barrier and stops when the sender knows that the
 *    last message was handled;
 *  - while Ferry runs no thread of the tool waits inside MPI, because MPI
 *    waits by spinning.
 */
#ifndef PERF_H
#define PERF_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "histogram.h"
#include "stats.h"

#define PERF_METRICS_MAX 10
#define PERF_CONTESTANTS_MAX 10
#define PERF_LIST_MAX 16
#define PERF_THREADS_MAX 256
#define PERF_BESIDE_MAX 64

/* What the command line asks for. Zero: the mode's default. */
struct perf_options {
	const struct perf_mode *mode;
	int threads[PERF_LIST_MAX];
	size_t threads_count;
	size_t sizes[PERF_LIST_MAX];
	size_t sizes_count;
	int window;
	double duration;
	int repetitions;
	bool futures;
	bool counted;
	int flood;
	int every;
	size_t transfer;
	size_t result;
	int work;
	int beside;
	bool bound;
	bool both;
	bool anywhere;
	const char *forms;
	const char *peers;
	const char *preload; /* the peer that runs through libferry-preload, or NULL */
	bool second;
	bool barrier;
	bool keep_engine;
	bool land;
	bool progress;
	int level;
	const char *json;
	const char *plot;
};

/* The job: one for the whole run of the tool. */
struct perf_world {
	MPI_Comm comm;
	int rank;
	int size;
	int level;                /* the thread level that MPI granted */
	double memory_before_mpi; /* bytes held before MPI_Init_thread */
	double beside_share;      /* of a processor, that each busy process had */
	const struct perf_options *options;
	ferry *engine; /* open, or NULL */
};

struct perf_trial {
	int threads;
	size_t size;
	int window;
	bool futures;
	bool land;
	bool both; /* both ranks call each other */
	int flood;
	int every;       /* ms before each call; 0: none */
	size_t transfer; /* bytes of an attachment; 0: none */
	size_t result;   /* bytes of a task's result */
	int work;        /* us of a processor, in a task */
	uint64_t count;  /* messages of one thread, in modes that count */
	double duration; /* seconds, in modes that run for a time */
	double seconds;  /* answer: how long it took */
	/* answer: processor time of this rank meanwhile; afterwards of all ranks */
	double processor;
	double values[PERF_METRICS_MAX]; /* answer: one per metric of the mode */
	struct perf_histogram *latency;  /* answer: times in ns, where the mode keeps them */
};

struct perf_contestant {
	const char *name;
	const char *what;
	int level;       /* the thread level of MPI that it needs */
	bool engine;     /* runs with Ferry's engine open */
	size_t size_max; /* bytes of a message that it can send; 0: any */
	void (*run)(struct perf_world *world, struct perf_trial *trial);
};

struct perf_metric {
	const char *name;
	const char *unit;
	bool ratio; /* a quotient of two contestants makes sense */
	bool more;  /* more is better */
};

struct perf_mode {
	const char *name;
	const char *summary;
	int ranks_min, ranks_max;
	bool counted; /* trial.count is fitted to the duration */
	bool twice;   /* each trial is run twice, and the second one counts */
	bool latency; /* trial.latency is filled */
	struct perf_metric metrics[PERF_METRICS_MAX];
	size_t metrics_count;
	/* what Ferry's median over trials of a second or more should not be above; 0: no limit */
	double most[PERF_METRICS_MAX];
	/* Ferry first; ends with NULL */
	const struct perf_contestant *contestants[PERF_CONTESTANTS_MAX];
	/* the one of them that is Ferry's only form with --land; may be NULL */
	const struct perf_contestant *landing;
	/* the one of them that takes part only with --flood, --transfer or --both; may be NULL */
	const struct perf_contestant *alone;
	/* those of them that take part only with --counted, and are compared with the first one,
	 * too; may be NULL */
	const struct perf_contestant *counting[2];
	/* fills values; may be NULL */
	void (*measure)(const struct perf_world *world, struct perf_trial *trial);
	int threads; /* defaults */
	size_t size, size_min;
	size_t result; /* 0: the mode has none */
	int window;
	double duration;
	int repetitions;
};

static inline bool perf_counts(const struct perf_mode *mode,
                               const struct perf_contestant *contestant)
{
	return contestant == mode->counting[0] || contestant == mode->counting[1];
}

/* What one contestant did at one point. */
struct perf_series {
	const struct perf_contestant *contestant;
	double *values[PERF_METRICS_MAX]; /* one per repetition */
	struct perf_histogram *latency;   /* of all repetitions, or NULL */
};

struct perf_point {
	int threads;
	size_t size;
	size_t repetitions;
	size_t series_count;
	struct perf_series series[PERF_CONTESTANTS_MAX];
};

struct perf_result {
	size_t points_count;
	struct perf_point points[PERF_LIST_MAX * PERF_LIST_MAX];
};

extern const struct perf_mode perf_rate_mode;
extern const struct perf_mode perf_call_mode;
extern const struct perf_mode perf_isend_mode;
extern const struct perf_mode perf_latency_mode;
extern const struct perf_mode perf_bandwidth_mode;
extern const struct perf_mode perf_overlap_mode;
extern const struct perf_mode perf_idle_mode;
extern const struct perf_mode perf_alltoall_mode;
extern const struct perf_mode perf_halo_mode;
extern const struct perf_mode perf_farm_mode;
extern const struct perf_mode perf_memory_mode;

/* Seconds of the monotonic clock, and the same in ns. */
double perf_seconds(void);
uint64_t perf_nanoseconds(void);
void perf_sleep(double seconds);
/* Sleeps before the next call if trial.every says so. Returns the time; `now` is what it is. */
uint64_t perf_pace(const struct perf_trial *trial, uint64_t now);
/* Processor time of this process, all threads. */
double perf_processor_seconds(void);
/* From start to stop: trial.seconds, and trial.processor of this rank. */
void perf_clock_start(struct perf_trial *trial);
void perf_clock_stop(struct perf_trial *trial);

/* Print a sentence and end the job: a figure must not survive a failure. */
void perf_fatal(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void perf_need(int status, const char *what);
void *perf_allocate(size_t nbytes);

#endif /* PERF_H */
