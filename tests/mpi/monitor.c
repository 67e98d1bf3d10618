/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each rank has a monitor file, which another process could read: this one reads its own and the
 * others'. And the counters are read at once while a handler blocks the progress thread.
 */
#define _GNU_SOURCE
#include <mpi.h>

#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "support/mpi_test.h"

#include "base/clock.h"
#include "monitor/reader.h"

enum { OP_NOTE = 3, OP_BLOCK = 9, POSTS = 100, TRIES = 400 };

static char place[96], why[FY_MONITOR_WHY];
static int rank, size;
static volatile int blocks, inside;

static void on_note(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(void)message;
	(void)arg;
}

static void on_block(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(void)message;
	(void)arg;
	inside = 1;
	while (blocks)
		usleep(1000);
	inside = 0;
}

/* Until that counter of that rank has that value in its file. */
static void await(int of, const char *name, int64_t wanted)
{
	int64_t value = -1;
	for (int i = 0; i < TRIES && value != wanted; i++, usleep(10000)) {
		struct fy_monitor_list list;
		struct fy_monitor_copy copy;
		if (fy_monitor_list(place, &list, why))
			CHECK_FAIL("%s", why);
		for (unsigned j = 0; j < list.n; j++) {
			if (fy_monitor_read(&list, list.names[j], &copy, why))
				continue;
			if (copy.head->rank == of && copy.head->size == size &&
			    copy.life == FY_MONITOR_ALIVE)
				fy_monitor_value(&copy, name, &value);
			fy_monitor_copy_free(&copy);
		}
		fy_monitor_list_free(&list);
	}
	if (value != wanted)
		CHECK_FAIL("%s of rank %d is %lld in its file, not %lld", name, of,
		           (long long)value, (long long)wanted);
}

static void check_figures(ferry *engine)
{
	int next = (rank + 1) % size;
	for (int i = 0; i < POSTS; i++)
		CHECK_OK(ferry_post(engine, next, OP_NOTE, "hello", 6, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	await(rank, "posts", POSTS);
	await(next, "handled", POSTS);
	MPI_Barrier(MPI_COMM_WORLD);
}

/* ferry_stats_read does not wait for it, and says what was so before. */
static void check_blocked(ferry *engine)
{
	ferry_stats stats = FERRY_STATS_INIT;
	blocks = 1;
	CHECK_OK(ferry_post(engine, rank, OP_BLOCK, NULL, 0, NULL));
	while (!inside)
		usleep(1000);
	int64_t begun = fy_clock_now();
	CHECK_OK(ferry_stats_read(engine, &stats));
	int64_t took = fy_clock_now() - begun;
	if (took > FERRY_S(1))
		CHECK_FAIL("it took %lld ms", (long long)(took / FERRY_MS(1)));
	CHECK(stats.posts >= POSTS);
	CHECK(inside);
	blocks = 0;
	CHECK_OK(ferry_flush(engine, rank, FERRY_FOREVER));
	CHECK_OK(ferry_stats_read(engine, &stats));
	CHECK(stats.posts > POSTS); /* to the last one when nothing blocks */
}

static void check_job(void)
{
	struct fy_monitor_list list;
	struct fy_monitor_copy copy;
	unsigned long long job = 0;
	int seen = 0;
	CHECK(fy_monitor_list(place, &list, why) == 0);
	for (unsigned j = 0; j < list.n; j++) {
		CHECK(fy_monitor_read(&list, list.names[j], &copy, why) == 0);
		CHECK(copy.head->job != 0 && (!job || copy.head->job == job));
		CHECK(strlen(copy.head->network) > 0);
		job = copy.head->job;
		seen++;
		fy_monitor_copy_free(&copy);
	}
	CHECK_INT(seen, size);
	fy_monitor_list_free(&list);
	MPI_Barrier(MPI_COMM_WORLD);
}

/* Where a file cannot be the engine runs without. */
static void check_refused(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	ferry_stats stats = FERRY_STATS_INIT;
	ferry *engine;
	options.flags = FERRY_KEEP_MPI;
	options.monitor = "/proc/nowhere";
	CHECK_OK(ferry_open(&options, &engine));
	CHECK_OK(ferry_stats_read(engine, &stats));
	CHECK_OK(ferry_close(engine));
}

int main(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	ferry *engine;
	int level, near, key = (int)getpid();
	MPI_Comm host;
	MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &level);
	if (level < MPI_THREAD_MULTIPLE)
		CHECK_SKIP("MPI has no MPI_THREAD_MULTIPLE");
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
	MPI_Comm_size(host, &near);
	MPI_Comm_free(&host);
	if (near < size) {
		MPI_Finalize();
		CHECK_SKIP("a rank sees the files of its own host only");
	}
	MPI_Bcast(&key, 1, MPI_INT, 0, MPI_COMM_WORLD);
	snprintf(place, sizeof place, "/dev/shm/ferry-mpi-%d", key);
	check_refused();
	options.flags = FERRY_KEEP_MPI;
	options.monitor = place;
	CHECK_OK(ferry_open(&options, &engine));
	CHECK_OK(ferry_handle(engine, OP_NOTE, FERRY_INLINE, on_note, NULL));
	CHECK_OK(ferry_handle(engine, OP_BLOCK, FERRY_INLINE, on_block, NULL));
	MPI_Barrier(MPI_COMM_WORLD);
	check_job();
	check_figures(engine);
	check_blocked(engine);
	MPI_Barrier(MPI_COMM_WORLD);
	CHECK_OK(ferry_close(engine));
	MPI_Barrier(MPI_COMM_WORLD);
	if (rank == 0 && rmdir(place))
		CHECK_FAIL("a file is left in %s", place);
	MPI_Finalize();
	return 0;
}
