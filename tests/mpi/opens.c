/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens that fail on one rank: all ranks get the same status, the others with a text that names the
 * rank, and the next open works, of whatever options. What fails is an option, the log, memory, a
 * thread, or a call of MPI. And the engine's threads do not run where a bound thread opens it, but
 * where the process may.
 *
 *     opens            all of it
 *     opens exit       an open fails, and the program ends with 3
 *     opens again      likewise, then one works, and its close finalizes MPI
 *     opens alone      without a launcher MPI is left alone when the options are wrong
 *     opens finalize   MPI_Finalize fails for good, which the close tells
 */
#define _GNU_SOURCE
#include <mpi.h>

#include <dirent.h>
#include <errno.h>
#include <sched.h>

#include "opened.h"

#include "support/shortage.h"

#include "base/order.h"

enum { ALLOCATIONS = 32 };

static int rank, size, victim;

static void check_failed(int status, int wanted, int who, const char *words)
{
	char name[32];

	snprintf(name, sizeof name, "rank %d: ", who);
	if (status != wanted)
		CHECK_FAIL("the open is %s, not %s (%s)", ferry_strname(status),
		           ferry_strname(wanted), ferry_last_error());
	if (!strstr(ferry_last_error(), words))
		CHECK_FAIL("\"%s\" does not say \"%s\"", ferry_last_error(), words);
	CHECK_INT(strncmp(ferry_last_error(), name, strlen(name)) == 0, rank != who);
}

/* Also a second and a third time, of other options. */
static void check_opens(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	static unsigned times;
	ferry *engine;

	options.flags = FERRY_KEEP_MPI | (times++ % 2 ? FERRY_NO_THREAD : 0);
	engine = system_open(&options);
	check_works(engine);
	CHECK_OK(ferry_close(engine));
}

/* ---- calls of MPI that fail on one rank -------------------------------- */

static const char *failing; /* the name of the function */
static int fails_at, calls; /* its n-th call; 0: each */

static bool fails(const char *name)
{
	if (!failing || strcmp(failing, name) != 0)
		return false;
	return ++calls == fails_at || !fails_at;
}

#define FAILING(name, parameters, arguments)                             \
	int name parameters                                              \
	{                                                                \
		return fails(#name) ? MPI_ERR_OTHER : P##name arguments; \
	}
FAILING(MPI_Init_thread, (int *c, char ***v, int wanted, int *given), (c, v, wanted, given))
FAILING(MPI_Finalize, (void), ())
FAILING(MPI_Ibarrier, (MPI_Comm c, MPI_Request *r), (c, r))
FAILING(MPI_Ibcast, (void *b, int n, MPI_Datatype t, int root, MPI_Comm c, MPI_Request *r),
        (b, n, t, root, c, r))
FAILING(MPI_Iallreduce,
        (const void *from, void *to, int n, MPI_Datatype t, MPI_Op op, MPI_Comm c, MPI_Request *r),
        (from, to, n, t, op, c, r))
FAILING(MPI_Comm_dup_with_info, (MPI_Comm c, MPI_Info i, MPI_Comm *to), (c, i, to))
FAILING(MPI_Comm_split_type, (MPI_Comm c, int type, int key, MPI_Info i, MPI_Comm *to),
        (c, type, key, i, to))
FAILING(MPI_Group_translate_ranks, (MPI_Group a, int n, const int *from, MPI_Group b, int *to),
        (a, n, from, b, to))
FAILING(MPI_Comm_free, (MPI_Comm * c), (c))
FAILING(MPI_Cancel, (MPI_Request * r), (r))

/* Two ways: the call does nothing ("MPI_Test"), or the operation is over and MPI says that it is
 * not well ("over"). */
int MPI_Test(MPI_Request *request, int *done, MPI_Status *status)
{
	if (fails("MPI_Test"))
		return MPI_ERR_OTHER;
	int code = PMPI_Test(request, done, status);
	return code == MPI_SUCCESS && *done && fails("over") ? MPI_ERR_OTHER : code;
}

/* Opens, and closes if that went well. */
static void open_with_failure(const char *function, int at)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	ferry *engine;
	int status;

	options.flags = FERRY_KEEP_MPI;
	calls = 0;
	fails_at = at;
	failing = rank == victim ? function : NULL;
	status = ferry_open(&options, &engine);
	failing = NULL;
	check_same(status);
	if (status)
		check_failed(status, FERRY_EMPI, victim, "");
	else
		CHECK_OK(ferry_close(engine));
}

static void close_with_failure(const char *function)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	ferry *engine;

	options.flags = FERRY_KEEP_MPI;
	engine = system_open(&options);
	check_works(engine);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	calls = 0;
	fails_at = 1;
	failing = rank == victim ? function : NULL;
	CHECK_STATUS(ferry_close(engine),
	             failing && strcmp(function, "MPI_Comm_free") == 0 ? FERRY_EMPI : FERRY_OK);
	CHECK(!failing || calls > 0);
	failing = NULL;
}

static void check_calls(void)
{
	static const struct {
		const char *name;
		int calls; /* of an open, or more: beyond these the open just works */
	} functions[] = { { "MPI_Ibarrier", 1 },
		          { "MPI_Ibcast", 2 },
		          { "MPI_Iallreduce", 4 },
		          { "MPI_Comm_dup_with_info", 3 },
		          { "MPI_Comm_split_type", 1 },
		          { "MPI_Group_translate_ranks", 1 },
		          { "MPI_Test", 2 },
		          { "over", 12 } };

	for (unsigned f = 0; f < COUNT_OF(functions); f++)
		for (int at = 1; at <= functions[f].calls; at++)
			open_with_failure(functions[f].name, at);
	check_opens();
	close_with_failure("MPI_Cancel");
	close_with_failure("MPI_Comm_free");
	check_opens();
}

/* ---- memory and threads ------------------------------------------------ */

static uint32_t threads_left = UINT32_MAX; /* so many can be started */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg)
{
	uint32_t left = fy_load_acquire_32(&threads_left);
	if (left == 0)
		return EAGAIN;
	if (left != UINT32_MAX)
		fy_store_release_32(&threads_left, left - 1);
	return __real_pthread_create(thread, attributes, fn, arg);
}

static void check_threads(void)
{
	ferry *engine;

	for (uint32_t n = 0; n < 2; n++) { /* the progress thread; the helper */
		if (rank == victim)
			fy_store_release_32(&threads_left, n);
		check_failed(ferry_open(NULL, &engine), FERRY_ENOMEM, victim,
		             n ? "thread ferry-watch could not be started"
		               : "progress thread could not be started");
		fy_store_release_32(&threads_left, UINT32_MAX);
	}
	check_opens();
}

static void check_memory(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	unsigned failed = 0;
	ferry *engine;

	options.flags = FERRY_KEEP_MPI;
	options.log = "/dev/null"; /* so that an option takes memory */
	for (unsigned n = 1; n <= ALLOCATIONS; n++) {
		if (rank == victim)
			shortage_begin(n, 1, 0);
		int status = ferry_open(n % 2 ? &options : NULL, &engine);
		bool hit = shortage_end() != 0;
		check_same(status);
		if (status) {
			check_failed(status, FERRY_ENOMEM, victim, "no memory for");
			CHECK_INT(hit, rank == victim);
			failed++;
			continue;
		}
		CHECK_OK(ferry_close(engine));
	}
	CHECK(failed > 20);
	check_opens();
}

/* ---- options ----------------------------------------------------------- */

/* One rank has it and the others do not, or the other way round. */
static void check_checksum(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	ferry *engine;

	for (int with = 0; with < 2; with++) {
		options.checksum = (rank == victim) == with ? 1 : FERRY_NONE;
		check_failed(ferry_open(&options, &engine), FERRY_EINVAL, victim,
		             "give it to all ranks, or to none");
	}
}

static void check_options(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	ferry *engine;

	/* MPI is not there yet */
	options.handler_grace = rank == victim ? -5 : 0;
	check_failed(ferry_open(&options, &engine), FERRY_EINVAL, victim, "handler_grace=-5");
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	check_failed(ferry_open(&options, &engine), FERRY_EINVAL, victim, "handler_grace=-5");
	options.handler_grace = 0;
	options.log = rank == victim ? "/nonexistent/ferry.log" : NULL;
	check_failed(ferry_open(&options, &engine), FERRY_EINVAL, victim,
	             "the log /nonexistent/ferry.log");
	options.flags = FERRY_NO_THREAD;
	check_failed(ferry_open(&options, &engine), FERRY_EINVAL, victim,
	             "the log /nonexistent/ferry.log");
	check_failed(ferry_open(NULL, rank == victim ? NULL : &engine), FERRY_EINVAL, victim,
	             "needs a place");
	options = (ferry_options)FERRY_OPTIONS_INIT;
	check_checksum();
	options.progress_cpus = rank == victim ? "1023" : NULL;
	if (sysconf(_SC_NPROCESSORS_CONF) < 1023)
		check_failed(ferry_open(&options, &engine), FERRY_EINVAL, victim,
		             "no processor 1023");
	check_opens();
}

/* ---- a bound opener ---------------------------------------------------- */

static bool is_ferrys(pid_t task)
{
	char path[64], name[32] = "";
	FILE *file;

	snprintf(path, sizeof path, "/proc/self/task/%d/comm", (int)task);
	file = fopen(path, "r");
	if (!file || !fgets(name, sizeof name, file))
		*name = 0;
	if (file)
		fclose(file);
	return strncmp(name, "ferry", 5) == 0;
}

/* The library's threads run on these processors, in this class. */
static void check_places(const cpu_set_t *wanted, int class)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned found = 0;
	cpu_set_t its;

	CHECK(tasks);
	while ((entry = readdir(tasks))) {
		pid_t task = atoi(entry->d_name);
		if (*entry->d_name == '.' || !is_ferrys(task))
			continue;
		CHECK_INT(sched_getaffinity(task, sizeof its, &its), 0);
		CHECK(CPU_EQUAL(&its, wanted));
		CHECK_INT(sched_getscheduler(task), class);
		found++;
	}
	closedir(tasks);
	CHECK(found >= 3); /* threads that MPI made on the progress thread have its name, too */
}

static void check_bound(void)
{
	struct sched_param parameter = { 0 };
	ferry_options options = FERRY_OPTIONS_INIT;
	int class = sched_getscheduler(0);
	ferry_executor *pool;
	cpu_set_t before, one;
	size_t cpu = 0;

	CHECK_INT(sched_getaffinity(0, sizeof before, &before), 0);
	while (!CPU_ISSET(cpu, &before))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	CHECK_INT(sched_setaffinity(0, sizeof one, &one), 0);
	CHECK_INT(sched_setscheduler(0, SCHED_BATCH, &parameter), 0);
	options.flags = FERRY_KEEP_MPI;
	ferry *engine = system_open(&options);
	CHECK_OK(ferry_workers_create(engine, 2, &pool));
	system_sleep_ms(50);
	check_places(&before, class);
	ferry_executor_destroy(pool);
	CHECK_OK(ferry_close(engine));
	CHECK_INT(sched_setscheduler(0, class, &parameter), 0);
	CHECK_INT(sched_setaffinity(0, sizeof before, &before), 0);
}

/* ---- programs of their own --------------------------------------------- */

static bool is_initialized(void)
{
	int initialized;

	MPI_Initialized(&initialized);
	return initialized;
}

static bool is_finalized(void)
{
	int finalized;

	MPI_Finalized(&finalized);
	return finalized;
}

static int fail_once(void)
{
	ferry *engine;
	int status;

	CHECK_INT(setenv("FERRY_SPIN", "banana", 1), 0);
	status = ferry_open(NULL, &engine);
	CHECK_INT(unsetenv("FERRY_SPIN"), 0);
	CHECK(strstr(ferry_last_error(), "banana"));
	return status;
}

static int be_alone(void)
{
	CHECK_STATUS(fail_once(), FERRY_EINVAL);
	CHECK(!is_initialized());
	CHECK_OK(ferry_close(system_open(NULL)));
	CHECK(is_finalized());
	return 0;
}

static int be_again(void)
{
	CHECK_STATUS(fail_once(), FERRY_EINVAL);
	ferry *engine = system_open(NULL);
	check_works(engine);
	CHECK_OK(ferry_close(engine));
	CHECK(is_finalized());
	return 0;
}

static int be_left(void)
{
	CHECK_STATUS(fail_once(), FERRY_EINVAL);
	CHECK(is_initialized());
	exit(3);
}

static int be_unfinished(void)
{
	ferry *engine = system_open(NULL);

	failing = "MPI_Finalize";
	CHECK_STATUS(ferry_close(engine), FERRY_EMPI);
	CHECK(strstr(ferry_last_error(), "MPI_Finalize"));
	failing = NULL;
	return MPI_Finalize();
}

static int be(const char *what)
{
	return strcmp(what, "alone") == 0   ? be_alone()
	       : strcmp(what, "again") == 0 ? be_again()
	       : strcmp(what, "exit") == 0  ? be_left()
	                                    : be_unfinished();
}

/* From the launcher, because MPI does not run yet. */
static int from_launcher(const char *one, const char *other)
{
	const char *text = getenv(one) ? getenv(one) : getenv(other);

	CHECK(text);
	return atoi(text);
}

int main(int argc, char **argv)
{
	system_watch();
	if (argc > 1)
		return be(argv[1]);
	rank = from_launcher("PMI_RANK", "OMPI_COMM_WORLD_RANK");
	size = from_launcher("PMI_SIZE", "OMPI_COMM_WORLD_SIZE");
	victim = size - 1;
	check_options();
	check_threads();
	check_bound();
	if (size == 2) {
		check_memory();
		check_calls();
	}
	MPI_Finalize();
	if (rank == 0)
		printf("opens: %d ranks: what fails on one is told to all, and the next open "
		       "works\n",
		       size);
	return 0;
}
