/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the system tests share. They are programs over the public headers, run with some number
 * of ranks; a check that fails ends its rank, and with it the job. At the end rank 0 prints what
 * was checked.
 */
#ifndef SYSTEM_H
#define SYSTEM_H

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mpi_test.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* ---- the watchdog ------------------------------------------------------ */

static inline void system_too_late(int number)
{
	static const char text[] = "it hangs: ended by its watchdog\n";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);

	(void)number;
	(void)ignored;
	_exit(1);
}

/* To be called first. A test that hangs ends by itself, so that no launcher has to find out. */
static inline void system_watch(void)
{
	signal(SIGALRM, system_too_late);
	alarm(check_env("TEST_SLOW", 1) > 1 ? 110 : 60);
}

static inline ferry *system_open(const ferry_options *options)
{
	ferry *engine = NULL;

	CHECK_OK(ferry_open(options, &engine));
	CHECK(engine);
	return engine;
}

static inline double system_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static inline void system_sleep_ms(unsigned ms)
{
	struct timespec time = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&time, NULL);
}

/* ---- what a rank says of itself, where the launcher may lose it ---------- */

/* A line of the file at `path`, which all ranks append to. */
static inline void system_say(const char *path, int rank, const char *what, int figure)
{
	char line[100];
	int n = snprintf(line, sizeof line, "rank %d %s: %d\n", rank, what, figure);
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);

	CHECK(fd >= 0 && write(fd, line, (size_t)n) == n);
	close(fd);
}

/* ---- numbers and contents that both sides can compute ------------------ */

/* Mixes the bits of x: different x, unrelated results. */
static inline uint64_t system_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static inline void system_fill(void *data, size_t nbytes, uint64_t seed)
{
	unsigned char *bytes = data;

	for (size_t at = 0; at < nbytes; at += sizeof seed) {
		uint64_t word = system_mix(seed + at);

		memcpy(bytes + at, &word, nbytes - at < sizeof word ? nbytes - at : sizeof word);
	}
}

static inline bool system_right(const void *data, size_t nbytes, uint64_t seed)
{
	const unsigned char *bytes = data;

	for (size_t at = 0; at < nbytes; at += sizeof seed) {
		uint64_t word = system_mix(seed + at);

		if (memcmp(bytes + at, &word,
		           nbytes - at < sizeof word ? nbytes - at : sizeof word))
			return false;
	}
	return true;
}

/* ---- a counter that any thread may raise ------------------------------- */

struct system_counter {
	pthread_mutex_t lock;
	uint64_t value;
};
#define SYSTEM_COUNTER_INIT                  \
	{                                    \
		PTHREAD_MUTEX_INITIALIZER, 0 \
	}

static inline void system_count(struct system_counter *counter, uint64_t more)
{
	pthread_mutex_lock(&counter->lock);
	counter->value += more;
	pthread_mutex_unlock(&counter->lock);
}

static inline uint64_t system_counted(struct system_counter *counter)
{
	uint64_t value;

	pthread_mutex_lock(&counter->lock);
	value = counter->value;
	pthread_mutex_unlock(&counter->lock);
	return value;
}

/* A ferry_release_fn: arg is a counter, the data came from malloc. */
static inline void system_release(void *data, void *arg)
{
	free(data);
	system_count(arg, 1);
}

/* ---- a crew of threads ------------------------------------------------- */

enum { SYSTEM_CREW = 16 };

struct system_crew {
	pthread_t threads[SYSTEM_CREW];
	unsigned count;
};

/* Starts `count` threads; the n-th gets the n-th element of an array. */
static inline void system_crew_start(struct system_crew *crew, unsigned count, void *(*fn)(void *),
                                     void *array, size_t element)
{
	CHECK(count <= SYSTEM_CREW);
	crew->count = count;
	for (unsigned i = 0; i < count; i++)
		CHECK_INT(pthread_create(&crew->threads[i], NULL, fn, (char *)array + i * element),
		          0);
}

static inline void system_crew_join(struct system_crew *crew)
{
	for (unsigned i = 0; i < crew->count; i++)
		CHECK_INT(pthread_join(crew->threads[i], NULL), 0);
}

#endif
