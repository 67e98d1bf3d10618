/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations of MPI that nobody waits for to the end: threads post them while the engine is being
 * closed, or end right after, or cancel them at once, and some cannot even be started. Whatever
 * happens, what was accepted gets a status, and its release function is called once; what was
 * refused gets neither.
 */
#include <ferry_mpi.h>

#include "system.h"

enum { THREADS = 4, EACH = 400, ROUNDS = 60, NEVER = 900 };

enum kind { DONE_AT_ONCE, DONE_LATER, WRONG, RECEIVE, SEND, RUN, BARE, KINDS };
static const char *const names[KINDS] = {
	"start", "start with a request",  "wrong start", "irecv", "isend",
	"run",   "start without a future"
};

/* One operation. `accepted` and `future` are its thread's; the counts are the progress thread's,
 * under `lock`. */
struct op {
	enum kind kind;
	int number;
	bool accepted, cancelled;
	ferry_future *future;
	unsigned ran, released;
};

static struct op ops[THREADS][EACH];
static ferry *engine;
static MPI_Comm mine;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct system_counter posted = SYSTEM_COUNTER_INIT;
static unsigned counts[KINDS][3], refused; /* the main thread's: ended well, stopped, otherwise */

/* ---- what the progress thread runs ------------------------------------- */

static void ran(struct op *op)
{
	pthread_mutex_lock(&lock);
	op->ran++;
	pthread_mutex_unlock(&lock);
}

static void release(void *data, void *arg)
{
	struct op *op = arg;

	CHECK(!data);
	pthread_mutex_lock(&lock);
	op->released++;
	pthread_mutex_unlock(&lock);
}

static int query(void *extra, MPI_Status *status)
{
	(void)extra;
	MPI_Status_set_elements(status, MPI_BYTE, 0);
	MPI_Status_set_cancelled(status, 0);
	status->MPI_SOURCE = status->MPI_TAG = MPI_UNDEFINED;
	return MPI_SUCCESS;
}

static int forget(void *extra)
{
	(void)extra;
	return MPI_SUCCESS;
}

static int no_cancel(void *extra, int complete)
{
	(void)extra;
	(void)complete;
	return MPI_SUCCESS;
}

static int start(MPI_Comm comm, void *arg, MPI_Request *request)
{
	struct op *op = arg;

	ran(op);
	if (op->kind == WRONG)
		return MPI_Isend(&op->number, 1, MPI_INT, 9999, 0, comm, request);
	if (op->kind != DONE_LATER)
		return MPI_SUCCESS;
	int code = MPI_Grequest_start(query, forget, no_cancel, NULL, request);
	MPI_Grequest_complete(*request); /* to be found by a test */
	return code;
}

static int run(MPI_Comm comm, void *arg)
{
	(void)comm;
	ran(arg);
	return MPI_SUCCESS;
}

/* ---- threads ----------------------------------------------------------- */

static int post(struct op *op)
{
	switch (op->kind) {
	case RECEIVE:
		return ferry_irecv(engine, &op->number, 1, MPI_INT, MPI_ANY_SOURCE, NEVER, mine,
		                   &op->future);
	case SEND:
		return ferry_isend(engine, &op->number, 1, MPI_INT, MPI_PROC_NULL, NEVER, mine,
		                   &op->future);
	case RUN:
		return ferry_run(engine, run, op, &op->future);
	case BARE:
		return ferry_start_release(engine, start, op, release, NULL);
	default:
		return ferry_start_release(engine, start, op, release, &op->future);
	}
}

/* As fast as it can, until the engine takes no more; then the thread ends, with what is in
 * its lane. */
static void *post_all(void *arg)
{
	struct op *mine_all = arg;

	for (int i = 0; i < EACH; i++) {
		struct op *op = &mine_all[i];
		int status = post(op);

		op->accepted = status == FERRY_OK;
		if (!op->accepted)
			CHECK_INT(status, FERRY_ESTOPPED);
		if (op->accepted && op->future && i % 5 == 0)
			op->cancelled = ferry_future_cancel(op->future) == FERRY_OK;
		system_count(&posted, 1);
	}
	return NULL;
}

/* ---- what came of it --------------------------------------------------- */

static bool may_end_with(const struct op *op, int status)
{
	if (op->cancelled)
		return status == FERRY_ECANCELED;
	if (op->kind == RECEIVE) /* no message ever comes */
		return status == FERRY_ESTOPPED;
	return status == FERRY_ESTOPPED || status == (op->kind == WRONG ? FERRY_EMPI : FERRY_OK);
}

static void check_op(struct op *op)
{
	bool has_release = op->kind <= WRONG || op->kind == BARE;

	CHECK_INT(op->released, op->accepted && has_release);
	CHECK(op->ran <= op->accepted);
	if (!op->accepted) {
		CHECK(!op->future);
		refused++;
		return;
	}
	if (op->kind == BARE)
		return;
	int status = ferry_future_poll(op->future);
	if (!may_end_with(op, status))
		CHECK_FAIL("%s ended with %s%s", names[op->kind], ferry_strname(status),
		           op->cancelled ? ", cancelled" : "");
	if (status == FERRY_OK && op->kind != SEND)
		CHECK_INT(op->ran, 1);
	if (status == FERRY_ESTOPPED)
		CHECK_INT(op->ran, 0);
	counts[op->kind][status == FERRY_OK ? 0 : status == FERRY_ESTOPPED ? 1 : 2]++;
	ferry_future_release(op->future);
}

/* ---- rounds ------------------------------------------------------------ */

static void one_round(unsigned close_after)
{
	pthread_t threads[THREADS];

	memset(ops, 0, sizeof ops);
	posted.value = 0;
	CHECK_OK(ferry_open_comm(mine, NULL, &engine));
	for (int t = 0; t < THREADS; t++) {
		for (int i = 0; i < EACH; i++)
			ops[t][i].kind = (enum kind)((unsigned)(i + t) % KINDS);
		CHECK_INT(pthread_create(&threads[t], NULL, post_all, ops[t]), 0);
	}
	while (system_counted(&posted) < close_after)
		sched_yield();
	CHECK_OK(ferry_close(engine)); /* the others are posting, or have ended */
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	for (int t = 0; t < THREADS; t++)
		for (int i = 0; i < EACH; i++)
			check_op(&ops[t][i]);
}

int main(void)
{
	int provided, rank;

	system_watch();
	MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
	if (provided < MPI_THREAD_MULTIPLE)
		CHECK_SKIP("this MPI has no MPI_THREAD_MULTIPLE");
	MPI_Comm_dup(MPI_COMM_WORLD, &mine);
	MPI_Comm_rank(mine, &rank);
	unsigned rounds = (unsigned)check_scaled(ROUNDS), all = THREADS * EACH;
	for (unsigned i = 0; i < rounds; i++) /* from nothing to all of them */
		one_round(rounds > 1 ? i * all / (rounds - 1) : all / 2);
	MPI_Comm_free(&mine);
	MPI_Finalize();
	if (rank == 0) {
		printf("abandoned: %u refused\n", refused);
		for (int k = 0; k < KINDS - 1; k++)
			printf("abandoned: %-22s %5u well, %5u stopped, %5u cancelled or failed\n",
			       names[k], counts[k][0], counts[k][1], counts[k][2]);
	}
	return 0;
}
