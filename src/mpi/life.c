/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MPI's life in this process: who initializes and who finalizes it. Any thread that opens or closes
 * a port.
 *
 * MPI can be initialized once and finalized once in a process, by one thread. The thread that opens
 * the first port initializes MPI, unless the program has. It is then the owner: it stays until the
 * last port is closed, and finalizes MPI. All of that is in `life`, under one lock; opens and
 * closes are rare.
 *
 * MPI_Finalize of MPICH (4.0.2 over TCP) first flushes its connections, for which the peers have to
 * make progress, and gathers the ranks only afterwards. If one rank still makes progress while
 * another is inside already, the first one to leave lets the others hang for ever. So here all
 * ranks are gathered before, first by MPI, then by something that makes no progress in MPI: the
 * process manager's own barrier where hydra's socket is there, else 50 ms of rest.
 * doc/decisions/0015-agreement-by-a-tree.md has the decision.
 *
 * Ranks that wait for one another do not spin: fy_mpi_await() sleeps between looks, because there
 * are often more ranks than processors.
 */
#include "mpi/life.h"

#include <mpi.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/timeout.h"
#include "mpi/await.h"
#include "mpi/error.h"
#include "mpi/job.h"
#include "mpi/pmi.h"
#include "mpi/presence.h"
#include "mpi/says.h"

#define REST_NS FERRY_MS(50)

#define EXIT_WAIT FERRY_S(10)

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t owner;
	unsigned open; /* how many ports are open */
	bool owned;    /* the library initialized MPI, and has to finalize it */
	bool keep;
	bool dirty;      /* a port was not closed clean: MPI is left alone */
	bool mixed;      /* on some ranks, but not on all, MPI is owned */
	bool unattended; /* the owner does not wait: whoever closes the last port finalizes */
	/* the open that initialized MPI failed: the next one, or the exit, becomes the owner */
	bool orphaned;
	bool ending; /* MPI is being finalized, or was */
	bool ended;
	int status; /* of finalizing */
	char text[256];
	pid_t process; /* that initialized MPI: a child of a fork does not finalize it */
} life = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

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

/* MPI was initialized, but cannot be used. It cannot be initialized again. */
static int give_up(int status)
{
	life.ending = life.ended = true;
	MPI_Finalize();
	return status;
}

static void end_at_exit(void);

static int initialize(int level, int *provided_p)
{
	int provided = MPI_THREAD_SINGLE;
	static bool registered;
	if (!registered && atexit(end_at_exit) != 0)
		return fy_fail(FERRY_ENOMEM, "no memory for a function to be called at exit");
	registered = true;
	fy_mpi_says_stage("MPI_Init_thread, which waits for all ranks of the job");
	int code = MPI_Init_thread(NULL, NULL, level_to_mpi(level), &provided);
	if (code != MPI_SUCCESS)
		return fy_fail(FERRY_EMPI, "%s", fy_mpi_error_text("MPI_Init_thread", code));
	life.owned = true;
	life.owner = pthread_self();
	life.process = getpid();
	*provided_p = level_from_mpi(provided);
	if (*provided_p < FERRY_THREAD_FUNNELED)
		return give_up(fy_fail(
			FERRY_ETHREAD,
			"this MPI has no support for threads: use one that was built with it"));
	int status = fy_mpi_job_check_launcher();
	return status ? give_up(status) : 0;
}

/* MPI was initialized before, by the program or by an earlier port. */
static int adopt(bool exclusive, int *provided_p)
{
	int provided = MPI_THREAD_SINGLE;
	int status = fy_mpi_job_check_launcher();
	if (status)
		return status;
	int code = MPI_Query_thread(&provided);
	if (code != MPI_SUCCESS)
		return fy_fail(FERRY_EMPI, "%s", fy_mpi_error_text("MPI_Query_thread", code));
	*provided_p = level_from_mpi(provided);
	if (life.orphaned) { /* the thread that initialized it does not call MPI any more */
		life.orphaned = life.unattended = false;
		life.owner = pthread_self();
		return 0;
	}
	if (*provided_p == FERRY_THREAD_MULTIPLE)
		return 0;
	if (life.owned && pthread_equal(life.owner, pthread_self()))
		return 0;
	if (life.open > 0)
		return fy_fail(
			FERRY_ETHREAD,
			"a second engine in this process needs MPI_THREAD_MULTIPLE, and MPI runs "
			"at %s: set options.thread_level to FERRY_THREAD_MULTIPLE for the first",
			level_name(*provided_p));
	if (*provided_p == FERRY_THREAD_SERIALIZED && exclusive)
		return 0;
	return fy_fail(FERRY_ETHREAD,
	               "MPI was initialized at %s: ask MPI_Init_thread for MPI_THREAD_MULTIPLE, or "
	               "for MPI_THREAD_SERIALIZED and set FERRY_EXCLUSIVE, or leave initializing "
	               "to ferry_open",
	               level_name(*provided_p));
}

/* May this thread, which opens, make a few calls of MPI, while no other thread of the process makes
 * any? 0 or FERRY_ETHREAD. */
static int borrow(int *provided_p)
{
	int provided = MPI_THREAD_SINGLE, main_thread = 0;
	MPI_Query_thread(&provided);
	MPI_Is_thread_main(&main_thread);
	*provided_p = level_from_mpi(provided);
	bool mine = life.owned && (life.orphaned || pthread_equal(life.owner, pthread_self()));
	if (*provided_p == FERRY_THREAD_MULTIPLE || mine)
		return 0;
	if (life.open == 0 && (*provided_p == FERRY_THREAD_SERIALIZED || main_thread))
		return 0;
	return FERRY_ETHREAD;
}

static int acquire_locked(int level, bool exclusive, bool to_tell, int *provided_p)
{
	int initialized = 0, finalized = 0;
	int status = fy_mpi_job_check_library();
	if (status)
		return status;
	int code = MPI_Finalized(&finalized);
	if (code == MPI_SUCCESS)
		code = MPI_Initialized(&initialized);
	if (code != MPI_SUCCESS) /* to initialize it twice would end the job */
		return fy_fail(FERRY_EMPI, "MPI_Initialized: MPI does not say how far it is");
	if (finalized || life.ending)
		return fy_fail(FERRY_ENOTSUP,
		               "MPI was finalized and cannot start again in this process: open all "
		               "engines before the last one is closed, or set FERRY_KEEP_MPI");
	if (!initialized)
		return initialize(level, provided_p);
	return to_tell ? borrow(provided_p) : adopt(exclusive, provided_p);
}

int fy_mpi_life_acquire(int level, bool exclusive, bool to_tell, int *provided_p)
{
	pthread_mutex_lock(&life.lock);
	int status = acquire_locked(level, exclusive, to_tell, provided_p);
	if (status == 0 && life.open++ == 0)
		fy_mpi_presence_begin();
	pthread_mutex_unlock(&life.lock);
	return status;
}

void fy_mpi_life_release(bool clean)
{
	pthread_mutex_lock(&life.lock);
	life.dirty = life.dirty || !clean;
	if (--life.open == 0)
		fy_mpi_presence_end(!life.dirty);
	pthread_cond_broadcast(&life.changed);
	pthread_mutex_unlock(&life.lock);
}

int fy_mpi_life_compare_owners(MPI_Comm comm)
{
	MPI_Request request;
	int mine[2], all[2];
	pthread_mutex_lock(&life.lock);
	mine[0] = life.owned;
	pthread_mutex_unlock(&life.lock);
	mine[1] = !mine[0];
	int code =
		FY_MPI_AWAIT_CALL(MPI_Iallreduce(mine, all, 2, MPI_INT, MPI_MAX, comm, &request));
	if (code == MPI_SUCCESS)
		code = fy_mpi_await(&request, INT64_MAX);
	if (code != MPI_SUCCESS)
		return code;
	pthread_mutex_lock(&life.lock);
	life.mixed = life.mixed || (all[0] && all[1]);
	pthread_mutex_unlock(&life.lock);
	return MPI_SUCCESS;
}

bool fy_mpi_life_owned(void)
{
	pthread_mutex_lock(&life.lock);
	bool owned = life.owned && !life.orphaned && pthread_equal(life.owner, pthread_self());
	pthread_mutex_unlock(&life.lock);
	return owned;
}

void fy_mpi_life_orphan(void)
{
	pthread_mutex_lock(&life.lock);
	if (life.owned && life.open == 0 && pthread_equal(life.owner, pthread_self()))
		life.orphaned = true;
	pthread_mutex_unlock(&life.lock);
}

static bool is_finalized(void)
{
	int finalized = 0;
	MPI_Finalized(&finalized);
	return finalized;
}

bool fy_mpi_life_is_up(void)
{
	int initialized = 0;
	MPI_Initialized(&initialized);
	return initialized && !is_finalized();
}

/* Judged by the variables of launchers in the environment. */
bool fy_mpi_life_is_alone(void)
{
	static const char *const sizes[] = { "PMI_SIZE", "OMPI_COMM_WORLD_SIZE" };
	static const char *const signs[] = { "PMI_RANK", "PMI_ID",    "PMI_FD",
		                             "PMI_PORT", "PMIX_RANK", "PMIX_NAMESPACE" };
	if (fy_mpi_life_is_up())
		return false;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		const char *size = getenv(sizes[i]);
		if (size != NULL)
			return strcmp(size, "1") == 0;
	}
	for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
		if (getenv(signs[i]) != NULL)
			return false;
	return true;
}

void fy_mpi_life_keep(void)
{
	pthread_mutex_lock(&life.lock);
	life.keep = true;
	pthread_mutex_unlock(&life.lock);
}

/* Wait until all ranks are here. *here_p false: it is not known that they are, and MPI cannot be
 * finalized. */
static int gather(int64_t timeout, bool *here_p)
{
	MPI_Request request;
	fy_mpi_says_stage("the other ranks, not all of which have come to the end of MPI");
	int code = FY_MPI_AWAIT_CALL(MPI_Ibarrier(MPI_COMM_WORLD, &request));
	*here_p = code == MPI_SUCCESS;
	if (code == MPI_SUCCESS) {
		code = fy_mpi_await(&request, fy_timeout_in(timeout));
		/* even if the barrier failed: this rank took part */
		*here_p = request == MPI_REQUEST_NULL;
	}
	if (code == MPI_SUCCESS)
		return 0;
	if (code == MPI_ERR_PENDING)
		return fy_fail(FERRY_ETIMEDOUT,
		               "not all ranks came to their end in time: MPI is left as it is");
	return fy_fail(FERRY_EMPI, "the ranks were gathered before MPI_Finalize: %s",
	               fy_mpi_error_text("MPI_Ibarrier", code));
}

static int finalize(int64_t timeout, bool alone)
{
	bool here = true;
	int status = 0, tries = 0, code;
#ifdef MPICH
	bool first = !alone;
#else
	bool first = !alone && timeout != FERRY_FOREVER; /* MPI_Finalize waits for ever */
#endif
	if (first)
		status = gather(timeout, &here);
	if (!here)
		return status;
#ifdef MPICH
	fy_mpi_says_stage("the launcher, which gathers the ranks before MPI_Finalize");
	if (alone || !fy_mpi_pmi_barrier())
		fy_mpi_await_rest(REST_NS);
#else
	(void)fy_mpi_pmi_barrier;
#endif
	fy_mpi_says_stage("MPI_Finalize, in which MPI waits for the other ranks of the job. The "
	                  "engines have ended well, and nothing of theirs is lost. If it does not "
	                  "return MPI has lost something on its way: end the job. A program that "
	                  "sets FERRY_KEEP_MPI may leave by _exit instead");
	do
		code = MPI_Finalize();
	while (!is_finalized() && fy_mpi_await_again(code, &tries));
	return code == MPI_SUCCESS
	               ? status
	               : fy_fail(FERRY_EMPI, "%s", fy_mpi_error_text("MPI_Finalize", code));
}

/* For a program that exits after a failed open. Its exit status stays as it is. */
static void end_at_exit(void)
{
	if (pthread_mutex_trylock(&life.lock) != 0)
		return; /* a thread is opening: the launcher has to end the job */
	bool ours = life.owned && life.orphaned && life.open == 0 && !life.dirty && !life.ending &&
	            life.process == getpid();
	life.ending = life.ending || ours;
	pthread_mutex_unlock(&life.lock);
	if (ours && !is_finalized())
		finalize(EXIT_WAIT, life.mixed);
}

/* The owner waits here until no port is open. True: it has to finalize MPI. */
static bool wait_last(int *status_p)
{
	while (life.open > 0)
		pthread_cond_wait(&life.changed, &life.lock);
	if (life.dirty)
		*status_p =
			fy_fail(FERRY_EPEER, "an engine had no orderly end: MPI is left as it is");
	else if (!life.keep)
		life.ending = true;
	if (!life.ending)
		life.owned = false;
	pthread_cond_broadcast(&life.changed);
	return life.ending;
}

int fy_mpi_life_finish(int64_t timeout)
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
	if (status) {
		life.status = status;
		snprintf(life.text, sizeof life.text, "%s", ferry_last_error());
	}
	pthread_mutex_unlock(&life.lock);
	return status;
}

int fy_mpi_life_finish_if_last(void)
{
	pthread_mutex_lock(&life.lock);
	bool last = life.open == 0;
	pthread_mutex_unlock(&life.lock);
	return last ? fy_mpi_life_finish(FERRY_FOREVER) : 0;
}

void fy_mpi_life_leave_unattended(void)
{
	pthread_mutex_lock(&life.lock);
	life.unattended = true;
	pthread_mutex_unlock(&life.lock);
}

/* Wait for a change, until it is time to speak at the latest. */
static void wait_changed(const struct fy_mpi_says *says)
{
	struct timespec until;
	int64_t left = says->next - fy_clock_now();
	clock_gettime(CLOCK_REALTIME, &until);
	int64_t at = until.tv_nsec + (left > 0 ? left : 0);
	until.tv_sec += (time_t)(at / FERRY_S(1));
	until.tv_nsec = (long)(at % FERRY_S(1));
	pthread_cond_timedwait(&life.changed, &life.lock, &until);
}

int fy_mpi_life_wait_finished(struct fy_mpi_says *says)
{
	pthread_mutex_lock(&life.lock);
	bool ours = life.unattended && life.owned && life.open == 0 && !life.ending;
	pthread_mutex_unlock(&life.lock);
	if (ours)
		fy_mpi_life_finish(FERRY_FOREVER);
	pthread_mutex_lock(&life.lock);
	while (life.owned && life.open == 0 && !life.ended) {
		wait_changed(says);
		if (!life.ended)
			fy_mpi_says_look(says);
	}
	int status = life.open == 0 && life.status ? fy_fail(life.status, "%s", life.text) : 0;
	pthread_mutex_unlock(&life.lock);
	return status;
}
