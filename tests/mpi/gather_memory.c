/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gather whose root has no memory for what comes: each rank's future ends soon, and what follows
 * works. And a collective that finds no memory at first takes part all the same.
 *
 * Memory runs short for the library alone: this program's malloc and the like look who asks. With a
 * sanitizer they are the sanitizer's, and nothing runs short.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>

#include "system.h"

#include "ferry_mpi.h"

enum { SOON_S = 5, LARGE = 3 << 20, SHORT = 4096 };

static ferry *engine;
static int rank, size;

/* ---- memory that runs short -------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHORT_OF_MEMORY 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SHORT_OF_MEMORY 0
#endif
#endif
#if !defined(SHORT_OF_MEMORY) && defined(__GLIBC__)
#define SHORT_OF_MEMORY 1
#endif

/* Written by the main thread and by the progress thread, read by any; late is as good. */
static volatile size_t least, most; /* the library gets nothing of so many bytes */
static volatile unsigned refusals;

#if SHORT_OF_MEMORY
/* Seen by the shared libraries. */
#pragma GCC visibility push(default)
void *malloc(size_t nbytes);
void *calloc(size_t count, size_t nbytes);
int posix_memalign(void **memory_p, size_t alignment, size_t nbytes);
#pragma GCC visibility pop
extern void *__libc_malloc(size_t nbytes);
extern void *__libc_calloc(size_t count, size_t nbytes);
extern void *__libc_memalign(size_t alignment, size_t nbytes);

static bool is_refused(size_t nbytes, const void *caller)
{
	Dl_info info;
	if (nbytes < least || nbytes > most || !dladdr(caller, &info) ||
	    !strstr(info.dli_fname, "libferry"))
		return false;
	refusals++;
	return true;
}

void *malloc(size_t nbytes)
{
	return most && is_refused(nbytes, __builtin_return_address(0)) ? NULL
	                                                               : __libc_malloc(nbytes);
}

void *calloc(size_t count, size_t nbytes)
{
	return most && is_refused(count * nbytes, __builtin_return_address(0))
	               ? NULL
	               : __libc_calloc(count, nbytes);
}

int posix_memalign(void **memory_p, size_t alignment, size_t nbytes)
{
	void *memory = most && is_refused(nbytes, __builtin_return_address(0))
	                       ? NULL
	                       : __libc_memalign(alignment, nbytes);
	if (!memory)
		return ENOMEM;
	*memory_p = memory;
	return 0;
}
#endif

static void refuse(size_t from, size_t to)
{
	least = from;
	most = to;
}

/* Is it the library's own file that asks? Where it is linked statically it is not. */
static bool can_be_refused(void)
{
	Dl_info info;
	return SHORT_OF_MEMORY && dladdr((void *)(uintptr_t)ferry_open, &info) &&
	       strstr(info.dli_fname, "libferry");
}

/* ---- gathers ----------------------------------------------------------- */

static ferry_future *gather(const char *data, size_t nbytes, int root)
{
	ferry_future *future;
	CHECK_OK(ferry_gather(engine, data, nbytes, root, &future));
	return future;
}

static void ends(ferry_future *future, int status)
{
	double begin = system_now();
	CHECK_STATUS(ferry_future_wait(future, FERRY_S(SOON_S)), status);
	if (status) {
		CHECK(system_now() - begin < 1.0 * (double)check_env("TEST_SLOW", 1));
		CHECK(strstr(ferry_future_detail(future), "no memory"));
	}
	ferry_future_release(future);
}

/* All bytes of a gather are there, and right. */
static void gather_well(const char *data, size_t nbytes, int root)
{
	ferry_future *future = gather(data, nbytes, root);
	ferry_message *message;
	CHECK_STATUS(ferry_future_wait(future, FERRY_S(SOON_S)), FERRY_OK);
	if (rank == root) {
		CHECK_OK(ferry_future_take(future, &message));
		for (int i = 0; i < size; i++) {
			size_t n;
			const char *part = ferry_message_attachment(message, (size_t)i, &n);
			CHECK_INT(n, nbytes);
			CHECK(part[0] == 'a' + i && part[n - 1] == 'a' + i);
		}
		ferry_message_release(message);
	}
	ferry_future_release(future);
}

/* The root is refused what the others gave: a size that nothing else has, and that it has kept no
 * memory of. */
static void check_root_without_memory(const char *data, int root, size_t mine, size_t refused)
{
	ferry_future *future, *between;
	unsigned before = refusals;
	bool limited = can_be_refused();
	if (rank == root && limited)
		refuse(refused, refused + refused / 8 + 64);
	CHECK_OK(ferry_barrier(engine, &future));
	ends(future, FERRY_OK);
	future = gather(data, mine, root);
	CHECK_OK(ferry_barrier(engine, &between));
	ends(future, limited && (rank == root || mine > SHORT) ? FERRY_ENOMEM : FERRY_OK);
	ends(between, FERRY_OK);
	refuse(0, 0);
	CHECK(rank != root || !limited || refusals > before);
	gather_well(data, LARGE / 2, root);
	gather_well(data, 100, root);
}

/* ---- a collective that has to wait for memory -------------------------- */

static int run_short(MPI_Comm comm, void *arg)
{
	(void)comm;
	(void)arg;
	refuse(1, 4000);
	return MPI_SUCCESS;
}

static int count_run(MPI_Comm comm, void *arg)
{
	(void)comm;
	++*(int *)arg;
	return MPI_SUCCESS;
}

/* Behind a function of the program, so that it is taken while there is no memory. */
static void check_late(const char *data)
{
	ferry_future *short_of, *gathered, *run, *all;
	int one = 1, sum = 0, runs = 0;
	if (rank == 0 && can_be_refused()) {
		CHECK_OK(ferry_run(engine, run_short, NULL, &short_of));
	} else {
		CHECK_OK(ferry_run(engine, count_run, &runs, &short_of));
		runs = -1;
	}
	gathered = gather(data, 10, 0);
	CHECK_OK(ferry_run(engine, count_run, &runs, &run));
	CHECK_OK(ferry_allreduce(engine, &one, &sum, 1, MPI_INT, MPI_SUM, &all));
	if (rank == 0 && can_be_refused()) {
		system_sleep_ms(100);
		CHECK(refusals > 0);
		CHECK_STATUS(ferry_future_poll(gathered), FERRY_PENDING);
		CHECK_INT(runs, 0);
		refuse(0, 0);
	}
	ends(gathered, FERRY_OK);
	ends(run, FERRY_OK);
	ends(all, FERRY_OK);
	ends(short_of, FERRY_OK);
	CHECK_INT(sum, size);
}

/* ---- a part for which there is no memory --------------------------------- */

/* The first requests of the engine: the last rank has nothing else under way, and no memory for one
 * more when the root's word comes. It sends its part in a later step. */
static void check_part_without_memory(const char *data)
{
	bool last = rank == size - 1 && can_be_refused();
	unsigned before = refusals;
	ferry_future *future;
	if (size == 1)
		return;
	if (rank == 0)
		system_sleep_ms(200);
	future = gather(data, 2 * SHORT, 0);
	if (last) {
		system_sleep_ms(100); /* it waits for the word */
		refuse(1, 100000);
		system_sleep_ms(250);
		CHECK(refusals > before);
		refuse(0, 0);
	}
	ends(future, FERRY_OK);
	gather_well(data, 2 * SHORT, 0);
}

int main(void)
{
	size_t large = LARGE, step = 1 << 20;
	char *data;
	system_watch();
	engine = system_open(NULL);
	rank = ferry_rank(engine);
	size = ferry_size(engine);
	size_t most_of_all = LARGE + 2 * (size_t)size * step;
	CHECK(data = malloc(most_of_all));
	memset(data, 'a' + rank, most_of_all);
	check_part_without_memory(data);
	for (int root = 0; root < size; root++, large += 2 * step) {
		check_root_without_memory(data, root, large, large);
		/* some wait for the root's word, some do not */
		check_root_without_memory(data, root, rank % 2 ? large + step : 1027 - (size_t)rank,
		                          root % 2 ? 1027 : large + step);
	}
	check_late(data);
	CHECK_OK(ferry_close(engine));
	free(data);
	if (rank == 0)
		printf("gathers without memory, %s\n",
		       can_be_refused() ? "each way" : "of which none could be made");
	return 0;
}
