/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design notes.
 *
 * MPI can be initialized once and finalized once in a process, by one thread.
 * Whoever opens the first port finds out whether somebody else did; if not, that
 * thread becomes the owner, and stays until the last port is closed to finalize
 * MPI again. All of that is in `life`, under one lock; opens and closes are rare.
 *
 * MPI_Finalize needs care over MPICH. In 4.0.2 over TCP it flushes its
 * connections first, which needs the peers to make progress, and gathers the
 * ranks only afterwards: when one rank still makes progress while another is
 * inside already, the first one to leave lets the others hang for ever. So all
 * ranks are gathered by MPI first, then by something that makes no progress in
 * MPI: the process manager's own barrier where hydra's socket is there, or else
 * 50 ms of rest. doc/rationale.md has the measurements.
 *
 * Ranks that wait for one another do not spin: fy_mpi_await() sleeps between
 * looks, because there are often more ranks than cores.
 */
#include "mpi_life.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mpi_job.h"
#include "port_mpi.h"
#include "status.h"

#define REST_NS FERRY_MS(50)
#define PMI_WAIT FERRY_S(30)
#define FAILED_MAX 1000 /* looks at a request that MPI fails to look at */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t owner;
	unsigned open;  /* ports */
	bool owned;     /* we initialized MPI, and finalizing it is up to us */
	bool keep;
	bool dirty;     /* a port was not closed clean: MPI is to be left alone */
	bool mixed;     /* not every rank's MPI is owned */
	bool unattended; /* the owner does not wait for the last port: who closes it finalizes */
	bool ending;    /* MPI is being finalized, or was */
	bool ended;
} life = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* ---- waiting ------------------------------------------------------------- */

/* Signals of the program's, such as a profiler's, cut no rest short. */
static void rest(int64_t ns)
{
	struct timespec time = { (time_t)(ns / FERRY_S(1)), (long)(ns % FERRY_S(1)) };
	while (nanosleep(&time, &time) != 0 && errno == EINTR)
		;
}

int fy_mpi_await(MPI_Request *request, int64_t until)
{
	int64_t pause = FERRY_US(10);
	int looks = 0, done = 0, failed = 0;
	for (;;) {
		fy_mpi_shield_up();
		int code = MPI_Test(request, &done, MPI_STATUS_IGNORE);
		fy_mpi_shield_down();
		/* A request that is still there goes on, in memory of the caller's. */
		if (code != MPI_SUCCESS && (*request == MPI_REQUEST_NULL || ++failed > FAILED_MAX))
			return code;
		if (code == MPI_SUCCESS && done)
			return code;
		if (looks++ < 100) /* it often takes but a moment */
			continue;
		if (fy_now() >= until)
			return MPI_ERR_PENDING;
		rest(pause);
		if (pause < FERRY_MS(1))
			pause *= 2;
	}
}

/* ---- open ---------------------------------------------------------------- */

static const struct {
	int level, mpi;
	const char *name;
} levels[] = {
	{ FERRY_THREAD_FUNNELED, MPI_THREAD_FUNNELED, "MPI_THREAD_FUNNELED" },
	{ FERRY_THREAD_SERIALIZED, MPI_THREAD_SERIALIZED, "MPI_THREAD_SERIALIZED" },
	{ FERRY_THREAD_MULTIPLE, MPI_THREAD_MULTIPLE, "MPI_THREAD_MULTIPLE" },
};

static int level_to_mpi(int level)
{
	for (int i = 0; i < 3; i++)
		if (levels[i].level == level)
			return levels[i].mpi;
	return MPI_THREAD_MULTIPLE;
}

static int level_from_mpi(int mpi)
{
	int level = 0;
	for (int i = 0; i < 3; i++)
		if (mpi >= levels[i].mpi)
			level = levels[i].level;
	return level;
}

static const char *level_name(int level)
{
	return level > 0 ? levels[level - FERRY_THREAD_FUNNELED].name : "MPI_THREAD_SINGLE";
}

/* MPI was initialized for nothing, and cannot be again. */
static int give_up(int status)
{
	life.ending = life.ended = true;
	MPI_Finalize();
	return status;
}

static int initialize(int level, int *provided_p)
{
	int provided = MPI_THREAD_SINGLE;
	int code = MPI_Init_thread(NULL, NULL, level_to_mpi(level), &provided);
	if (code != MPI_SUCCESS)
		return fy_fail(FERRY_EMPI, "%s", fy_mpi_text("MPI_Init_thread", code));
	life.owned = true;
	life.owner = pthread_self();
	*provided_p = level_from_mpi(provided);
	if (*provided_p < FERRY_THREAD_FUNNELED)
		return give_up(fy_fail(FERRY_ETHREAD, "this MPI has no support for threads: use one that was built with it"));
	int status = fy_mpi_check_launcher();
	return status ? give_up(status) : 0;
}

/* MPI was initialized before, by the program or by an earlier port. */
static int adopt(bool exclusive, int *provided_p)
{
	int provided = MPI_THREAD_SINGLE;
	int status = fy_mpi_check_launcher();
	if (status)
		return status;
	MPI_Query_thread(&provided);
	*provided_p = level_from_mpi(provided);
	if (*provided_p == FERRY_THREAD_MULTIPLE)
		return 0;
	if (life.owned && pthread_equal(life.owner, pthread_self()))
		return 0;
	if (life.open > 0)
		return fy_fail(FERRY_ETHREAD,
		               "a second engine in this process needs MPI_THREAD_MULTIPLE, and MPI runs at %s: set "
		               "options.thread_level to FERRY_THREAD_MULTIPLE for the first",
		               level_name(*provided_p));
	if (*provided_p == FERRY_THREAD_SERIALIZED && exclusive)
		return 0;
	return fy_fail(FERRY_ETHREAD,
	               "MPI was initialized at %s: ask MPI_Init_thread for MPI_THREAD_MULTIPLE, or for "
	               "MPI_THREAD_SERIALIZED and set FERRY_EXCLUSIVE, or leave initializing to ferry_open",
	               level_name(*provided_p));
}

static int acquire_locked(int level, bool exclusive, int *provided_p)
{
	int initialized = 0, finalized = 0;
	int status = fy_mpi_check_library();
	if (status)
		return status;
	MPI_Finalized(&finalized);
	if (finalized || life.ending)
		return fy_fail(FERRY_ENOTSUP,
		               "MPI was finalized and cannot start again in this process: open all engines before the "
		               "last one is closed, or set FERRY_KEEP_MPI");
	MPI_Initialized(&initialized);
	return initialized ? adopt(exclusive, provided_p) : initialize(level, provided_p);
}

int fy_mpi_acquire(int level, bool exclusive, int *provided_p)
{
	pthread_mutex_lock(&life.lock);
	int status = acquire_locked(level, exclusive, provided_p);
	if (status == 0 && life.open++ == 0)
		fy_mpi_watch_end();
	pthread_mutex_unlock(&life.lock);
	return status;
}

void fy_mpi_release(bool clean)
{
	pthread_mutex_lock(&life.lock);
	life.dirty = life.dirty || !clean;
	if (--life.open == 0)
		fy_mpi_unwatch_end(!life.dirty);
	pthread_cond_broadcast(&life.changed);
	pthread_mutex_unlock(&life.lock);
}

int fy_mpi_compare_owners(MPI_Comm comm)
{
	MPI_Request request;
	int mine[2], all[2];
	pthread_mutex_lock(&life.lock);
	mine[0] = life.owned;
	pthread_mutex_unlock(&life.lock);
	mine[1] = !mine[0];
	int code = MPI_Iallreduce(mine, all, 2, MPI_INT, MPI_MAX, comm, &request);
	if (code == MPI_SUCCESS)
		code = fy_mpi_await(&request, INT64_MAX);
	if (code != MPI_SUCCESS)
		return code;
	pthread_mutex_lock(&life.lock);
	life.mixed = life.mixed || (all[0] && all[1]);
	pthread_mutex_unlock(&life.lock);
	return MPI_SUCCESS;
}

bool fy_mpi_owned(void)
{
	pthread_mutex_lock(&life.lock);
	bool owned = life.owned && pthread_equal(life.owner, pthread_self());
	pthread_mutex_unlock(&life.lock);
	return owned;
}

void fy_mpi_keep(void)
{
	pthread_mutex_lock(&life.lock);
	life.keep = true;
	pthread_mutex_unlock(&life.lock);
}

/* ---- the end ------------------------------------------------------------- */

/* Hydra's socket, when it speaks the first version of the protocol; -1 otherwise. */
static int pmi_socket(void)
{
	static char version[MPI_MAX_LIBRARY_VERSION_STRING];
	const char *fd = getenv("PMI_FD");
	int length;
	if (fd == NULL || getenv("HYDI_CONTROL_FD") == NULL)
		return -1;
	if (MPI_Get_library_version(version, &length) != MPI_SUCCESS || strstr(version, "MPICH Version") == NULL ||
	    strstr(version, "pmi2") != NULL || strstr(version, "pmix") != NULL)
		return -1;
	return atoi(fd);
}

static bool write_all(int fd, const char *text, size_t nbytes)
{
	while (nbytes > 0) {
		ssize_t n = write(fd, text, nbytes);
		if (n < 0 && errno != EINTR)
			return false;
		text += n > 0 ? n : 0;
		nbytes -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static bool read_byte(int fd, char *byte, int64_t until)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	for (;;) {
		int64_t left = until - fy_now();
		int ready = poll(&wait, 1, left > 0 ? (int)(left / FERRY_MS(1)) + 1 : 0);
		ssize_t n = ready > 0 ? read(fd, byte, 1) : -1;
		if (n >= 0 || ready == 0 || errno != EINTR)
			return n == 1;
	}
}

/* Gather all ranks by their process manager. False: they were not gathered. */
static bool pmi_barrier(void)
{
	static const char in[] = "cmd=barrier_in\n", out[] = "cmd=barrier_out";
	int64_t until = fy_now() + PMI_WAIT;
	char answer[64] = "";
	size_t length = 0;
	int fd = pmi_socket();
	if (fd < 0 || !write_all(fd, in, sizeof in - 1))
		return false;
	while (length < sizeof answer - 1) {
		if (!read_byte(fd, answer + length, until))
			return false;
		if (answer[length++] == '\n')
			break;
	}
	return strncmp(answer, out, sizeof out - 1) == 0;
}

/* All ranks are here, and none makes progress in MPI any more. */
static int gather(int64_t timeout)
{
	MPI_Request request;
	int code = MPI_Ibarrier(MPI_COMM_WORLD, &request);
	if (code == MPI_SUCCESS)
		code = fy_mpi_await(&request, fy_until(fy_now(), timeout));
	if (code == MPI_ERR_PENDING)
		return fy_fail(FERRY_ETIMEDOUT, "not all ranks came to their end in time: MPI is left as it is");
	if (code != MPI_SUCCESS)
		return fy_fail(FERRY_EPEER, "%s", fy_mpi_text("MPI_Ibarrier", code));
	return 0;
}

static int finalize(int64_t timeout, bool alone)
{
#ifdef MPICH
	int status = alone ? 0 : gather(timeout);
	if (status != 0)
		return status;
	if (alone || !pmi_barrier())
		rest(REST_NS);
#else
	(void)gather;
	(void)pmi_barrier;
	(void)timeout;
	(void)alone;
#endif
	int code = MPI_Finalize();
	return code == MPI_SUCCESS ? 0 : fy_fail(FERRY_EMPI, "%s", fy_mpi_text("MPI_Finalize", code));
}

/* The owner waits here for the last port; then true when MPI is to be finalized. */
static bool wait_last(int *status_p)
{
	while (life.open > 0)
		pthread_cond_wait(&life.changed, &life.lock);
	if (life.dirty)
		*status_p = fy_fail(FERRY_EPEER, "an engine had no orderly end: MPI is left as it is");
	else if (!life.keep)
		life.ending = true;
	if (!life.ending)
		life.owned = false;
	pthread_cond_broadcast(&life.changed);
	return life.ending;
}

int fy_mpi_finish(int64_t timeout)
{
	int status = 0;
	pthread_mutex_lock(&life.lock);
	if (life.owned && !life.ending && wait_last(&status)) {
		pthread_mutex_unlock(&life.lock);
		status = finalize(timeout, life.mixed);
		pthread_mutex_lock(&life.lock);
		life.ended = true;
		pthread_cond_broadcast(&life.changed);
	}
	pthread_mutex_unlock(&life.lock);
	return status;
}

int fy_mpi_finish_if_last(void)
{
	pthread_mutex_lock(&life.lock);
	bool last = life.open == 0;
	pthread_mutex_unlock(&life.lock);
	return last ? fy_mpi_finish(FERRY_FOREVER) : 0;
}

void fy_mpi_leave_unattended(void)
{
	pthread_mutex_lock(&life.lock);
	life.unattended = true;
	pthread_mutex_unlock(&life.lock);
}

void fy_mpi_wait_finished(void)
{
	pthread_mutex_lock(&life.lock);
	bool ours = life.unattended && life.owned && life.open == 0 && !life.ending;
	pthread_mutex_unlock(&life.lock);
	if (ours)
		fy_mpi_finish(FERRY_FOREVER);
	pthread_mutex_lock(&life.lock);
	while (life.owned && life.open == 0 && !life.ended)
		pthread_cond_wait(&life.changed, &life.lock);
	pthread_mutex_unlock(&life.lock);
}
