/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an engine does where the system gives no more, and what others can do to what it shares with
 * the ranks of its host: `resources WHAT`, of two ranks. resources.sh runs it.
 *
 *     limits    descriptors and shared memory run out on one rank: each open has the same status
 *               everywhere, and an engine that was opened works
 *     space     likewise of address space, which the first threads of a process need most
 *     threads   likewise, and no thread can be started, by the limit of the system
 *     mode      no other user can open what the ranks share
 *     leave     the first rank is killed before it has removed the name of that
 *     plain     MPI alone: does it survive?
 *     small     an engine, as anybody uses it
 *     scribble  other processes of this user write to it while messages are sent
 */
#define _GNU_SOURCE
#include <mpi.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "opened.h"

enum { OP_COUNT = 2, NOBODY = 65534, MESSAGES = 20000 };

static int rank, size;
static const char *what;

static bool is(const char *word)
{
	return strcmp(what, word) == 0;
}

/* ---- the shared object --------------------------------------------------------------------- */

int __real_shm_open(const char *name, int flags, mode_t mode);
int __wrap_shm_open(const char *name, int flags, mode_t mode);
int __real_shm_unlink(const char *name);
int __wrap_shm_unlink(const char *name);

static int shm_fails; /* with this error */

int __wrap_shm_open(const char *name, int flags, mode_t mode)
{
	if (!shm_fails)
		return __real_shm_open(name, flags, mode);
	errno = shm_fails;
	return -1;
}

/* Another user, if this one may become it. */
static void check_as_nobody(const char *path)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		bool changed = setgid(NOBODY) == 0 && setuid(NOBODY) == 0;
		if (!changed)
			_exit(2);
		_exit(open(path, O_RDONLY) < 0 && errno == EACCES && open(path, O_WRONLY) < 0 &&
		                      errno == EACCES
		              ? 0
		              : 1);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
	CHECK(WEXITSTATUS(status) == (geteuid() == 0 ? 0 : 2));
}

static void check_mode(const char *name)
{
	struct stat info;
	char path[100];
	snprintf(path, sizeof path, "/dev/shm%s", name);
	CHECK(stat(path, &info) == 0);
	CHECK_INT(info.st_mode & 07777, 0600);
	check_as_nobody(path);
	printf("mode checked\n");
}

int __wrap_shm_unlink(const char *name)
{
	if (is("mode"))
		check_mode(name);
	if (is("leave"))
		kill(getpid(), SIGKILL);
	return __real_shm_unlink(name);
}

/* ---- engines -------------------------------------------------------------------------------- */

static int status_of_open(ferry **engine)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	options.flags = FERRY_KEEP_MPI;
	return ferry_open(&options, engine);
}

/* A limit that counts for the next open, or NULL; and what it is otherwise. */
static int limited;
static const struct rlimit *limit, *no_limit;

/* FERRY_OK, or a status with a sentence, which is the same everywhere. An engine that is open waits
 * until there is memory again, so the limit has to end with the open. */
static int try_open(void)
{
	ferry *engine;
	CHECK(!limit || setrlimit(limited, limit) == 0);
	int status = status_of_open(&engine);
	CHECK(!limit || setrlimit(limited, no_limit) == 0);
	check_same(status);
	if (status == FERRY_OK) {
		check_works(engine);
		CHECK_OK(ferry_close(engine));
		return FERRY_OK;
	}
	CHECK(status == FERRY_ENOMEM || status == FERRY_EMPI);
	CHECK(strlen(ferry_last_error()) > 10);
	return status;
}

/* ---- limits --------------------------------------------------------------------------------- */

static struct rlimit limit_now(int resource)
{
	struct rlimit now;
	CHECK(getrlimit(resource, &now) == 0);
	return now;
}

static struct rlimit lower(const struct rlimit *from, rlim_t value)
{
	struct rlimit to = *from;
	to.rlim_cur = value < from->rlim_max ? value : from->rlim_max;
	return to;
}

/* Descriptors below this number are in use. */
static int next_descriptor(void)
{
	int fd = dup(0);
	CHECK(fd >= 0);
	close(fd);
	return fd;
}

static size_t space_in_use(void)
{
	size_t pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	CHECK(f && fscanf(f, "%zu", &pages) == 1);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* The limit is base + step * i. With the lowest one no engine opens, with the highest one does. */
static void run_out(const char *name, int resource, size_t base, size_t step, int steps, int victim)
{
	int failed = 0, worked = 0;
	for (int i = 0; i < steps; i++) {
		struct rlimit before = limit_now(resource);
		struct rlimit now = lower(&before, base + step * (size_t)i);
		limited = resource;
		limit = rank == victim ? &now : NULL;
		no_limit = &before;
		int status = try_open();
		limit = NULL;
		failed += status != FERRY_OK;
		worked += status == FERRY_OK;
	}
	CHECK(failed > 0 && worked > 0);
	CHECK_OK(try_open());
	if (rank == 0)
		printf("%s checked: %d opens failed, %d worked\n", name, failed, worked);
}

static void check_shared_memory(void)
{
	static const int errors[] = { EACCES, ENOSPC, EMFILE };
	for (int victim = 0; victim < 2; victim++)
		for (size_t i = 0; i < COUNT_OF(errors); i++) {
			shm_fails = rank == victim ? errors[i] : 0;
			CHECK_OK(try_open());
		}
	shm_fails = 0;
}

static void check_limits(void)
{
	CHECK_OK(try_open()); /* what MPI takes at first */
	run_out("descriptors", RLIMIT_NOFILE, (size_t)next_descriptor(), 1, 6, 0);
	run_out("descriptors", RLIMIT_NOFILE, (size_t)next_descriptor(), 1, 6, 1);
	check_shared_memory();
	printf("limits checked\n");
}

/* The limit counts for users other than root, so become one. It is for good. */
static void check_threads(void)
{
	CHECK_OK(try_open());
	if (geteuid() == 0)
		CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	if (rank == 1) {
		struct rlimit before = limit_now(RLIMIT_NPROC), now = lower(&before, 1);
		CHECK(setrlimit(RLIMIT_NPROC, &now) == 0);
	}
	CHECK_INT(try_open(), FERRY_ENOMEM);
	CHECK(strstr(ferry_last_error(), "thread could not be started"));
	printf("threads checked: %s\n", ferry_last_error());
}

/* ---- who scribbles -------------------------------------------------------------------------- */

static struct system_counter arrived = SYSTEM_COUNTER_INIT;

static void on_message(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(void)message;
	(void)arg;
	system_count(&arrived, 1);
}

/* Where this process has mapped what the ranks share. */
static unsigned char *find_shared(void)
{
	char line[512];
	unsigned long begin = 0;
	bool found = false;
	FILE *maps = fopen("/proc/self/maps", "r");
	CHECK(maps);
	while (!found && fgets(line, sizeof line, maps))
		found = strstr(line, "/dev/shm/ferry-") && sscanf(line, "%lx-", &begin) == 1;
	fclose(maps);
	return found ? (unsigned char *)begin : NULL; // NOLINT(performance-no-int-to-ptr)
}

static pid_t start_scribbler(unsigned char *bytes, size_t nbytes)
{
	pid_t child = fork();
	if (child)
		return child;
	alarm(60);
	for (uint64_t n = 0;; n++) {
		for (size_t at = 0; at < nbytes; at += 8) {
			uint64_t random = system_mix(n * nbytes + at);
			memcpy(bytes + at, &random, sizeof random);
		}
		system_sleep_ms(1);
	}
}

static void check_scribbled(void)
{
	ferry *engine;
	ferry_options options = FERRY_OPTIONS_INIT;
	options.flags = FERRY_KEEP_MPI;
	options.peer_timeout = FERRY_MS(500);
	CHECK_OK(ferry_open(&options, &engine));
	CHECK_OK(ferry_handle(engine, OP_COUNT, FERRY_INLINE, on_message, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_S(20)));
	unsigned char *bytes = find_shared();
	CHECK(bytes);
	pid_t scribbler = start_scribbler(bytes, 64 * (size_t)(size + 1));
	double begun = system_now();
	for (int i = 0; i < MESSAGES; i++) {
		CHECK_OK(ferry_post(engine, (rank + 1) % size, OP_COUNT, "hello", 6, NULL));
		if (i % 500 == 0)
			system_sleep_ms(20); /* so that both sleep, and are to be woken */
	}
	CHECK_OK(ferry_fence(engine, FERRY_S(30)));
	CHECK_INT(system_counted(&arrived), MESSAGES);
	double took = system_now() - begun;
	CHECK_OK(ferry_close(engine));
	kill(scribbler, SIGKILL);
	CHECK(waitpid(scribbler, NULL, 0) == scribbler);
	printf("scribble checked: %d messages in %d ms\n", MESSAGES, (int)(took * 1000));
}

int main(int argc, char **argv)
{
	int provided;
	what = argc > 1 ? argv[1] : "limits";
	system_watch();
	MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	MPI_Comm comm; /* what MPI itself takes at first, and does not survive without */
	MPI_Comm_dup(MPI_COMM_WORLD, &comm);
	MPI_Barrier(comm);
	MPI_Comm_free(&comm);
	if (is("limits"))
		check_limits();
	if (is("space"))
		run_out("space", RLIMIT_AS, space_in_use() + ((size_t)2 << 20), (size_t)8 << 20, 8,
		        1);
	if (is("threads"))
		check_threads();
	if (is("mode") || is("leave") || is("small"))
		CHECK_OK(try_open());
	if (is("small"))
		printf("small checked\n");
	if (is("scribble"))
		check_scribbled();
	fflush(stdout);
	MPI_Finalize();
	return 0;
}
