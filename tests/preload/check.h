/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the preload layer share. They are ordinary MPI programs that know nothing of
 * Ferry: run.sh runs each with MPI alone and with the layer between, with two ranks.
 *
 * Most are lists of cases. A case runs three times: while one thread alone calls MPI, beside
 * threads that call MPI all the time, and in several threads at once, each with a communicator of
 * its own. The first thing that is wrong ends the rank with a sentence and status 1.
 */
#ifndef PRELOAD_CHECK_H
#define PRELOAD_CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <mpi.h>

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof *(array)))
#define UNUSED __attribute__((unused))

/* Where a case runs. */
struct place {
	MPI_Comm comm; /* of both ranks; no other thread uses it */
	int rank, peer;
	int thread, round;
};

struct check_case {
	const char *name;
	void (*run)(const struct place *place);
	bool single; /* it uses what the process has only once, so not in several threads */
};

enum { CHECK_CROWD = 4, CHECK_NOISE = 2, CHECK_ARRAY = 256 };

static int check_rank = -1;

/* ---- what is wrong ----------------------------------------------------- */

__attribute__((format(printf, 3, 4), noreturn)) static inline void
check_failed(const char *file, int line, const char *format, ...)
{
	char text[300];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fprintf(stderr, "%s:%d: rank %d: %s\n", file, line, check_rank, text);
	_exit(1);
}

static inline void check_int(const char *file, int line, const char *what, long long got,
                             long long wanted)
{
	if (got != wanted)
		check_failed(file, line, "%s is %lld, not %lld", what, got, wanted);
}

#define CHECK(what, ...)                                               \
	do {                                                           \
		if (!(what))                                           \
			check_failed(__FILE__, __LINE__, __VA_ARGS__); \
	} while (0)
#define CHECK_INT(got, wanted) \
	check_int(__FILE__, __LINE__, #got, (long long)(got), (long long)(wanted))

static inline void check_ok(const char *name, const char *where)
{
	MPI_Barrier(MPI_COMM_WORLD);
	if (check_rank == 0) {
		printf("ok %s%s%s\n", name, *where ? ", " : "", where);
		fflush(stdout);
	}
}

/* ---- beginning and end ------------------------------------------------- */

static inline void check_too_late(int number)
{
	static const char text[] = "it hangs: ended by its alarm\n";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);

	(void)number;
	(void)ignored;
	_exit(1);
}

/* Less work where everything is slow: the harness sets TEST_SLOW. At least 1. */
static inline int check_scaled(int amount)
{
	const char *slow = getenv("TEST_SLOW");
	int by = slow ? atoi(slow) : 1;

	return by > 1 && amount / by > 0 ? amount / by : by > 1 ? 1 : amount;
}

/* run.sh says for which ranks the layer is there: else a test of it would pass without it. */
static inline void check_layer(void)
{
	const char *wanted = getenv("TEST_PRELOADED");
	Dl_info info = { 0 };
	void *at = dlsym(RTLD_DEFAULT, "MPI_Isend");

	if (!wanted || !at || !dladdr(at, &info))
		return;
	CHECK(!!strstr(info.dli_fname, "libferry-preload") == (atoi(wanted) != 0),
	      "MPI_Isend is of %s", info.dli_fname);
}

/* MPI with several threads, two ranks; false: this MPI cannot. `seconds` until it is a hang. */
static inline void check_begin(unsigned seconds)
{
	int provided, size;

	signal(SIGALRM, check_too_late);
	alarm(check_scaled(100) < 100 ? 2 * seconds : seconds);
	check_layer();
	MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
	if (provided < MPI_THREAD_MULTIPLE) {
		puts("SKIP: this MPI has no MPI_THREAD_MULTIPLE");
		MPI_Finalize();
		exit(77);
	}
	MPI_Comm_rank(MPI_COMM_WORLD, &check_rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	CHECK_INT(size, 2);
}

static inline double check_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static inline void check_sleep_us(long us)
{
	struct timespec time = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&time, NULL);
}

static inline uint64_t check_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline pthread_t check_thread(void *(*fn)(void *), const void *arg)
{
	pthread_t thread;

	CHECK_INT(pthread_create(&thread, NULL, fn, (void *)(uintptr_t)arg), 0);
	return thread;
}

/* ---- statuses ---------------------------------------------------------- */

/* To see that a status was written: no MPI writes this. Before a probe it is needed: MPICH 4.0
 * leaves the bit for "cancelled" there as it was. */
enum { FORGOTTEN = -4711 };
static UNUSED void check_forget(MPI_Status *statuses, int n)
{
	for (int i = 0; i < n; i++) {
		memset(&statuses[i], 0, sizeof statuses[i]);
		statuses[i].MPI_SOURCE = statuses[i].MPI_TAG = statuses[i].MPI_ERROR = FORGOTTEN;
	}
}

static inline void check_status(const char *file, int line, const MPI_Status *status, int source,
                                int tag, MPI_Datatype type, int count)
{
	int got, cancelled;

	check_int(file, line, "the source", status->MPI_SOURCE, source);
	check_int(file, line, "the tag", status->MPI_TAG, tag);
	MPI_Get_count(status, type, &got);
	check_int(file, line, "the count", got, count);
	MPI_Test_cancelled(status, &cancelled);
	check_int(file, line, "\"cancelled\"", cancelled, 0);
}

#define CHECK_STATUS(status, source, tag, type, count) \
	check_status(__FILE__, __LINE__, status, source, tag, type, count)
#define CHECK_EMPTY(status) CHECK_STATUS(status, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_INT, 0)
/* MPICH 4.0 does not write the status of a Testany that has nothing to test. */
#define CHECK_EMPTY_OR_FORGOTTEN(status)               \
	do {                                           \
		if ((status)->MPI_SOURCE != FORGOTTEN) \
			CHECK_EMPTY(status);           \
	} while (0)

/* ---- all ways to complete requests ------------------------------------- */

enum way { WAIT, TEST, WAITALL, TESTALL, WAITANY, TESTANY, WAITSOME, TESTSOME, WAYS };
/* With these an entry that is null or inactive gets an empty status, else none. */
static UNUSED bool way_has_empty(enum way way)
{
	return way <= TESTALL;
}

/* One more call of Waitany and so on: how many have ended, at most n, or MPI_UNDEFINED. */
static inline int finish_some(enum way way, int n, MPI_Request *requests, int *which,
                              MPI_Status *statuses)
{
	bool ignore = statuses == MPI_STATUSES_IGNORE;
	int some = 1, flag = 1;

	if (way == WAITSOME)
		MPI_Waitsome(n, requests, &some, which, statuses);
	else if (way == TESTSOME)
		MPI_Testsome(n, requests, &some, which, statuses);
	else if (way == WAITANY)
		MPI_Waitany(n, requests, which, ignore ? MPI_STATUS_IGNORE : statuses);
	else
		MPI_Testany(n, requests, which, &flag, ignore ? MPI_STATUS_IGNORE : statuses);
	if (!flag)
		return 0;
	if (way <= TESTANY && *which == MPI_UNDEFINED) {
		if (!ignore)
			CHECK_EMPTY_OR_FORGOTTEN(statuses);
		return MPI_UNDEFINED;
	}
	return some;
}

/* Waits for all. statuses: by their index, or MPI_STATUSES_IGNORE. */
static inline void finish(enum way way, int n, MPI_Request *requests, MPI_Status *statuses)
{
	bool ignore = statuses == MPI_STATUSES_IGNORE, seen[CHECK_ARRAY] = { 0 };
	int some, flag, which[CHECK_ARRAY];
	MPI_Status came[CHECK_ARRAY];

	CHECK(n <= CHECK_ARRAY, "%d requests", n);
	switch (way) {
	case WAITALL:
		MPI_Waitall(n, requests, statuses);
		return;
	case TESTALL:
		while (MPI_Testall(n, requests, &flag, statuses), !flag)
			sched_yield();
		return;
	case WAIT:
		for (int i = 0; i < n; i++)
			MPI_Wait(&requests[i], ignore ? MPI_STATUS_IGNORE : &statuses[i]);
		return;
	case TEST:
		for (int i = 0; i < n; i++)
			while (MPI_Test(&requests[i], &flag,
			                ignore ? MPI_STATUS_IGNORE : &statuses[i]),
			       !flag)
				sched_yield();
		return;
	default:
		break;
	}
	check_forget(came, n);
	while ((some = finish_some(way, n, requests, which, ignore ? MPI_STATUSES_IGNORE : came)) !=
	       MPI_UNDEFINED) {
		CHECK(some <= n && (some > 0 || way == TESTSOME || way == TESTANY),
		      "%d have ended of %d", some, n);
		for (int i = 0; i < some; i++) {
			CHECK(which[i] >= 0 && which[i] < n, "the index is %d", which[i]);
			CHECK(!seen[which[i]], "%d has ended twice", which[i]);
			seen[which[i]] = true;
			if (!ignore)
				statuses[which[i]] = came[i];
		}
		if (some == 0)
			sched_yield();
		check_forget(came, n);
	}
}

/* ---- noise ------------------------------------------------------------- */

struct noise {
	pthread_t threads[CHECK_NOISE];
	MPI_Comm comms[CHECK_NOISE];
};
static atomic_bool check_quiet;

/* Calls MPI for half of the time, so that what other threads post often finds it taken. */
static void *check_make_noise(void *arg)
{
	MPI_Comm comm = *(MPI_Comm *)arg;
	int flag, in, out = 1;
	MPI_Request open, pair[2];
	MPI_Status statuses[2];

	MPI_Irecv(&in, 1, MPI_INT, 0, 1, comm, &open);
	while (!atomic_load(&check_quiet)) {
		for (double end = check_now() + 2e-4; check_now() < end;) {
			MPI_Test(&open, &flag, MPI_STATUS_IGNORE);
			CHECK(!flag, "a receive has ended without a message");
			MPI_Iprobe(MPI_ANY_SOURCE, 2, comm, &flag, MPI_STATUS_IGNORE);
			CHECK(!flag, "a probe found what was never sent");
		}
		MPI_Irecv(&in, 1, MPI_INT, 0, 0, comm, &pair[0]);
		MPI_Isend(&out, 1, MPI_INT, 0, 0, comm, &pair[1]);
		MPI_Waitall(2, pair, statuses);
		CHECK_INT(in, out++);
		check_sleep_us(100);
	}
	out = -1;
	MPI_Send(&out, 1, MPI_INT, 0, 1, comm);
	MPI_Wait(&open, MPI_STATUS_IGNORE);
	CHECK_INT(in, -1);
	return NULL;
}

static inline void noise_begin(struct noise *noise)
{
	atomic_store(&check_quiet, false);
	for (int i = 0; i < CHECK_NOISE; i++) {
		MPI_Comm_dup(MPI_COMM_SELF, &noise->comms[i]);
		noise->threads[i] = check_thread(check_make_noise, &noise->comms[i]);
	}
}

static inline void noise_end(struct noise *noise)
{
	atomic_store(&check_quiet, true);
	for (int i = 0; i < CHECK_NOISE; i++) {
		pthread_join(noise->threads[i], NULL);
		MPI_Comm_free(&noise->comms[i]);
	}
}

/* ---- cases ------------------------------------------------------------- */

static inline struct place place_open(MPI_Comm from, int thread)
{
	struct place place = { .rank = check_rank, .peer = 1 - check_rank, .thread = thread };

	MPI_Comm_dup(from, &place.comm);
	return place;
}

struct crowd {
	pthread_t thread;
	struct place place;
	const struct check_case *what;
};

static void *check_in_crowd(void *arg)
{
	struct crowd *one = arg;

	for (int rounds = check_scaled(2); one->place.round < rounds; one->place.round++)
		one->what->run(&one->place);
	return NULL;
}

static inline void check_crowd(const struct check_case *what, struct crowd *crowd)
{
	for (int i = 0; i < CHECK_CROWD; i++) {
		crowd[i].what = what;
		crowd[i].place.round = 0;
		crowd[i].thread = check_thread(check_in_crowd, &crowd[i]);
	}
	for (int i = 0; i < CHECK_CROWD; i++)
		pthread_join(crowd[i].thread, NULL);
	check_ok(what->name, "in several threads");
}

static UNUSED void check_cases(const struct check_case *cases, int n, MPI_Comm from)
{
	struct crowd crowd[CHECK_CROWD];
	struct noise noise;

	for (int i = 0; i < CHECK_CROWD; i++)
		crowd[i].place = place_open(from, i);
	for (int i = 0; i < n; i++) {
		cases[i].run(&crowd[0].place);
		check_ok(cases[i].name, "one thread");
	}
	noise_begin(&noise);
	for (int i = 0; i < n; i++) {
		for (int round = 0, rounds = check_scaled(6); round < rounds; round++) {
			crowd[0].place.round = round;
			cases[i].run(&crowd[0].place);
		}
		check_ok(cases[i].name, "beside noise");
	}
	noise_end(&noise);
	for (int i = 0; i < n; i++)
		if (!cases[i].single)
			check_crowd(&cases[i], crowd);
	for (int i = 0; i < CHECK_CROWD; i++)
		MPI_Comm_free(&crowd[i].place.comm);
}

#endif
