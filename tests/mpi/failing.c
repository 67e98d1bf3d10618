/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MPI that fails: each function of MPI that the library calls returns an error at its k-th call, of
 * each class that changes what the library does, in two ways: the call was not made, or it was made
 * and its error says that it was not well. Two ranks; each try opens an engine, talks in every way
 * there is, and closes it. What must hold:
 *
 *  - the open has the same status on both ranks;
 *  - every future ends, at the latest with the close: with FERRY_OK, and then it is true, or with
 *    FERRY_EMPI and a text, or as those of a rank that was given up;
 *  - what was posted is handled once at most, and once where its future is FERRY_OK;
 *  - the close ends, with FERRY_OK, FERRY_EMPI or FERRY_EPEER.
 *
 *     failing                 a sample of all tries
 *     failing all             all of them: make stress
 *     failing list            the functions that fail here, a line each (failing.sh)
 *     failing FUNCTION [K [CLASS [WAY [VICTIM]]]]
 *                             these tries, with what came of each. VICTIM: 0, 1, or 2 for both
 *                             at once
 *
 * Init and Finalize, which a process calls once, are in opens.c. What is not tried, and why, is in
 * doc/decisions/0041-what-a-failed-call-of-mpi-ends.md.
 */
#include <mpi.h>

#include <unistd.h>

#include "system.h"

#include "ferry_mpi.h"
#include "base/order.h"

enum { OP_NOTE = 1, OP_ASK };
enum { POSTS = 4, LONG = 100000, LARGE = 700000, SOON_S = 8, TRY_S = 40 };

/* ---- MPI, which fails ------------------------------------------------------------------------ */

enum way { NOT_MADE = 1, MADE = 2 };
enum { BOTH = 2 }; /* as a victim: only where it is asked for */

/* The one whose MADE depends on what is sent: see below. */
#define SENDING(X)                                                                          \
	X(MPI_Isend, NOT_MADE | MADE,                                                       \
	  (const void *b, int n, MPI_Datatype t, int d, int g, MPI_Comm c, MPI_Request *r), \
	  (b, n, t, d, g, c, r))

#define FUNCTIONS(X)                                                                               \
	X(MPI_Allreduce, NOT_MADE,                                                                 \
	  (const void *a, void *b, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c),                   \
	  (a, b, n, t, o, c))                                                                      \
	X(MPI_Bcast, NOT_MADE, (void *b, int n, MPI_Datatype t, int r, MPI_Comm c),                \
	  (b, n, t, r, c))                                                                         \
	X(MPI_Cancel, NOT_MADE | MADE, (MPI_Request * r), (r))                                     \
	X(MPI_Comm_call_errhandler, NOT_MADE | MADE, (MPI_Comm c, int e), (c, e))                  \
	X(MPI_Comm_create_errhandler, NOT_MADE | MADE,                                             \
	  (MPI_Comm_errhandler_function * f, MPI_Errhandler * h), (f, h))                          \
	X(MPI_Comm_create_keyval, NOT_MADE | MADE,                                                 \
	  (MPI_Comm_copy_attr_function * a, MPI_Comm_delete_attr_function * b, int *k, void *e),   \
	  (a, b, k, e))                                                                            \
	X(MPI_Comm_delete_attr, NOT_MADE | MADE, (MPI_Comm c, int k), (c, k))                      \
	X(MPI_Comm_dup, NOT_MADE | MADE, (MPI_Comm c, MPI_Comm * to), (c, to))                     \
	X(MPI_Comm_dup_with_info, NOT_MADE, (MPI_Comm c, MPI_Info i, MPI_Comm * to), (c, i, to))   \
	X(MPI_Comm_free, NOT_MADE | MADE, (MPI_Comm * c), (c))                                     \
	X(MPI_Comm_free_keyval, NOT_MADE | MADE, (int *k), (k))                                    \
	X(MPI_Comm_get_attr, NOT_MADE | MADE, (MPI_Comm c, int k, void *v, int *f), (c, k, v, f))  \
	X(MPI_Comm_get_errhandler, NOT_MADE | MADE, (MPI_Comm c, MPI_Errhandler * h), (c, h))      \
	X(MPI_Comm_group, NOT_MADE | MADE, (MPI_Comm c, MPI_Group * g), (c, g))                    \
	X(MPI_Comm_rank, NOT_MADE | MADE, (MPI_Comm c, int *r), (c, r))                            \
	X(MPI_Comm_remote_group, NOT_MADE | MADE, (MPI_Comm c, MPI_Group * g), (c, g))             \
	X(MPI_Comm_set_attr, NOT_MADE | MADE, (MPI_Comm c, int k, void *v), (c, k, v))             \
	X(MPI_Comm_set_errhandler, NOT_MADE | MADE, (MPI_Comm c, MPI_Errhandler h), (c, h))        \
	X(MPI_Comm_size, NOT_MADE | MADE, (MPI_Comm c, int *n), (c, n))                            \
	X(MPI_Comm_split_type, NOT_MADE, (MPI_Comm c, int t, int k, MPI_Info i, MPI_Comm *to),     \
	  (c, t, k, i, to))                                                                        \
	X(MPI_Comm_test_inter, NOT_MADE | MADE, (MPI_Comm c, int *f), (c, f))                      \
	X(MPI_Errhandler_free, NOT_MADE | MADE, (MPI_Errhandler * h), (h))                         \
	X(MPI_Error_class, NOT_MADE | MADE, (int e, int *c), (e, c))                               \
	X(MPI_Error_string, NOT_MADE | MADE, (int e, char *s, int *n), (e, s, n))                  \
	X(MPI_Finalized, NOT_MADE | MADE, (int *f), (f))                                           \
	X(MPI_Get_count, NOT_MADE | MADE, (const MPI_Status *s, MPI_Datatype t, int *n),           \
	  (s, t, n))                                                                               \
	X(MPI_Get_library_version, NOT_MADE | MADE, (char *v, int *n), (v, n))                     \
	X(MPI_Group_free, NOT_MADE | MADE, (MPI_Group * g), (g))                                   \
	X(MPI_Group_size, NOT_MADE | MADE, (MPI_Group g, int *n), (g, n))                          \
	X(MPI_Group_translate_ranks, NOT_MADE | MADE,                                              \
	  (MPI_Group a, int n, const int *x, MPI_Group b, int *y), (a, n, x, b, y))                \
	X(MPI_Iallreduce, NOT_MADE,                                                                \
	  (const void *a, void *b, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c, MPI_Request *r),   \
	  (a, b, n, t, o, c, r))                                                                   \
	X(MPI_Ibarrier, NOT_MADE, (MPI_Comm c, MPI_Request * r), (c, r))                           \
	X(MPI_Ibcast, NOT_MADE,                                                                    \
	  (void *b, int n, MPI_Datatype t, int o, MPI_Comm c, MPI_Request *r), (b, n, t, o, c, r)) \
	X(MPI_Igather, NOT_MADE,                                                                   \
	  (const void *a, int n, MPI_Datatype t, void *b, int m, MPI_Datatype u, int o,            \
	   MPI_Comm c, MPI_Request *r),                                                            \
	  (a, n, t, b, m, u, o, c, r))                                                             \
	X(MPI_Improbe, NOT_MADE | MADE,                                                            \
	  (int s, int g, MPI_Comm c, int *f, MPI_Message *m, MPI_Status *t), (s, g, c, f, m, t))   \
	X(MPI_Imrecv, NOT_MADE | MADE,                                                             \
	  (void *b, int n, MPI_Datatype t, MPI_Message *m, MPI_Request *r), (b, n, t, m, r))       \
	X(MPI_Initialized, NOT_MADE | MADE, (int *f), (f))                                         \
	X(MPI_Iprobe, NOT_MADE | MADE, (int s, int g, MPI_Comm c, int *f, MPI_Status *t),          \
	  (s, g, c, f, t))                                                                         \
	X(MPI_Irecv, NOT_MADE,                                                                     \
	  (void *b, int n, MPI_Datatype t, int s, int g, MPI_Comm c, MPI_Request *r),              \
	  (b, n, t, s, g, c, r))                                                                   \
	X(MPI_Ireduce, NOT_MADE,                                                                   \
	  (const void *a, void *b, int n, MPI_Datatype t, MPI_Op o, int p, MPI_Comm c,             \
	   MPI_Request *r),                                                                        \
	  (a, b, n, t, o, p, c, r))                                                                \
	X(MPI_Is_thread_main, NOT_MADE | MADE, (int *f), (f))                                      \
	X(MPI_Query_thread, NOT_MADE | MADE, (int *p), (p))                                        \
	X(MPI_Request_free, NOT_MADE | MADE, (MPI_Request * r), (r))                               \
	X(MPI_Status_set_cancelled, NOT_MADE | MADE, (MPI_Status * s, int f), (s, f))              \
	X(MPI_Status_set_elements, NOT_MADE | MADE, (MPI_Status * s, MPI_Datatype t, int n),       \
	  (s, t, n))                                                                               \
	X(MPI_Test, NOT_MADE | MADE, (MPI_Request * r, int *f, MPI_Status *s), (r, f, s))          \
	X(MPI_Test_cancelled, NOT_MADE | MADE, (const MPI_Status *s, int *f), (s, f))              \
	X(MPI_Testsome, NOT_MADE | MADE,                                                           \
	  (int n, MPI_Request r[], int *m, int i[], MPI_Status s[]), (n, r, m, i, s))              \
	X(MPI_Type_size, NOT_MADE | MADE, (MPI_Datatype t, int *n), (t, n))                        \
	X(MPI_Wait, NOT_MADE | MADE, (MPI_Request * r, MPI_Status * s), (r, s))

enum {
#define NUMBER(name, ways, parameters, arguments) N_##name,
	FUNCTIONS(NUMBER) SENDING(NUMBER) N_FUNCTIONS
#undef NUMBER
};

static const struct {
	const char *name;
	unsigned ways;
} functions[] = {
#define ENTRY(name, ways, parameters, arguments) { #name, ways },
	FUNCTIONS(ENTRY) SENDING(ENTRY)
#undef ENTRY
};

static const struct {
	int class;
	const char *name;
} classes[] = {
	{ MPI_ERR_OTHER, "MPI_ERR_OTHER" },     { MPI_ERR_NO_MEM, "MPI_ERR_NO_MEM" },
	{ MPI_ERR_INTERN, "MPI_ERR_INTERN" },   { MPI_ERR_TRUNCATE, "MPI_ERR_TRUNCATE" },
	{ MPI_ERR_PENDING, "MPI_ERR_PENDING" }, { MPI_ERR_IN_STATUS, "MPI_ERR_IN_STATUS" },
};

/* Written while no engine is open; the counts by the threads that call MPI (atomic add). */
static struct {
	bool on;
	unsigned function;
	uint64_t at;
	int class;
	enum way way;
} failure;
static uint64_t counts[N_FUNCTIONS];
static uint32_t struck;

static bool strikes(unsigned function, enum way way)
{
	if (way == NOT_MADE)
		fy_add_64(&counts[function], 1);
	if (!failure.on || failure.function != function || failure.way != way ||
	    fy_load_acquire_64(&counts[function]) != failure.at)
		return false;
	return !fy_swap_32(&struck, 1);
}

#define WRAP(name, ways, parameters, arguments)                                               \
	int name parameters                                                                   \
	{                                                                                     \
		if (strikes(N_##name, NOT_MADE))                                              \
			return failure.class;                                                 \
		int code = P##name arguments;                                                 \
		return code == MPI_SUCCESS && strikes(N_##name, MADE) ? failure.class : code; \
	}
FUNCTIONS(WRAP)

/* Only a batch may have been sent though MPI says that it was not: it has a number. Such a request
 * is never seen again. */
int MPI_Isend(const void *data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
              MPI_Request *request)
{
	if (strikes(N_MPI_Isend, NOT_MADE))
		return failure.class;
	int code = PMPI_Isend(data, count, type, to, tag, comm, request);
	if (code != MPI_SUCCESS || tag != 0 || !strikes(N_MPI_Isend, MADE))
		return code;
	PMPI_Request_free(request);
	return failure.class;
}

/* ---- one conversation ------------------------------------------------------------------ */

static int rank, peer;
static MPI_Comm side, sync_comm;
static bool talks;

/* Of one try. Never freed: MPI may still have its memory. */
struct memory {
	int from[4], to[8];
	char sent[LARGE], landed[4][LONG];
	MPI_Message message;
};

enum kind { MESSAGE, MUST_END, WITH_PEER };
enum { FUTURES = 64 };

static struct {
	ferry *engine;
	struct memory *m;
	ferry_counter *counter;
	struct {
		ferry_future *future;
		enum kind kind;
		const char *what;
		int number; /* of a message: which */
	} futures[FUTURES];
	unsigned n;
	unsigned handled[64]; /* by number */
	unsigned number;
	int open, fence, close;
	char worst[128];
} t;

static unsigned n_tries, n_hits;
static char doing[256];

static void stop(const char *what, int status)
{
	CHECK_FAIL("rank %d, %s: %s: %s (%s)", rank, doing, what, ferry_strname(status),
	           ferry_last_error());
}

static void on_message(ferry *engine, ferry_message *message, void *arg)
{
	uint32_t number;
	(void)engine;
	(void)arg;
	memcpy(&number, ferry_message_body(message, NULL), sizeof number);
	if (number >= COUNT_OF(t.handled) || ++t.handled[number] > 1)
		stop("a message was handled twice", FERRY_OK);
	if (ferry_message_op(message) == OP_ASK)
		ferry_reply(message, &number, sizeof number);
}

/* A status of a call: fine, or the pair is given up. */
static bool good(const char *what, int status)
{
	if (status && status != FERRY_EPEER && status != FERRY_EMPI && status != FERRY_ESTOPPED &&
	    status != FERRY_ENOMEM)
		stop(what, status);
	return status == FERRY_OK;
}

static void keep(enum kind kind, const char *what, int status, ferry_future *future, int number)
{
	if (!good(what, status))
		return;
	CHECK(t.n < FUTURES);
	t.futures[t.n].future = future;
	t.futures[t.n].kind = kind;
	t.futures[t.n].what = what;
	t.futures[t.n++].number = number;
}

static void post_messages(void)
{
	ferry_future *f = NULL;
	for (unsigned i = 0; i < POSTS; i++) {
		size_t nbytes = i < 2 ? 8 : i == 2 ? LONG : LARGE;
		uint32_t number = t.number++;
		memcpy(t.m->sent, &number, sizeof number);
		int status = ferry_post(t.engine, peer, OP_NOTE, t.m->sent, nbytes, &f);
		keep(MESSAGE, "a post", status, f, (int)number);
		number = t.number++;
		memcpy(t.m->sent, &number, sizeof number);
		status = ferry_call(t.engine, peer, OP_ASK, t.m->sent, 8, &f);
		keep(MESSAGE, "a call", status, f, (int)number);
		number = t.number++;
		memcpy(t.m->sent, &number, sizeof number);
		good("a post that counts",
		     ferry_post_counted(t.engine, peer, OP_NOTE, t.m->sent, 8, t.counter));
	}
}

static void start_messages(int tag)
{
	struct memory *m = t.m;
	ferry_future *f = NULL;
	int status = ferry_irecv(t.engine, &m->to[0], 1, MPI_INT, peer, tag, side, &f);
	keep(WITH_PEER, "ferry_irecv", status, f, 0);
	status = ferry_isend(t.engine, &m->from[0], 1, MPI_INT, peer, tag, side, &f);
	keep(WITH_PEER, "ferry_isend", status, f, 0);
	status = ferry_sendrecv(t.engine, &m->from[1], 1, MPI_INT, peer, tag + 1, &m->to[1], 1,
	                        MPI_INT, peer, tag + 1, side, &f);
	keep(WITH_PEER, "ferry_sendrecv", status, f, 0);
	status = ferry_irecv(t.engine, &m->to[2], 1, MPI_INT, MPI_PROC_NULL, 0, side, &f);
	keep(MUST_END, "ferry_irecv from nobody", status, f, 0);
	status = ferry_isend(t.engine, &m->from[2], 1, MPI_INT, peer, tag + 2, side, &f);
	keep(WITH_PEER, "ferry_isend for a probe", status, f, 0);
	m->message = MPI_MESSAGE_NULL;
	status = ferry_improbe(t.engine, peer, tag + 2, side, &m->message, &f);
	keep(WITH_PEER, "ferry_improbe", status, f, 0);
	if (good("ferry_improbe", status) && ferry_future_wait(f, FERRY_S(1)) == FERRY_OK) {
		status = ferry_imrecv(t.engine, &m->to[3], 1, MPI_INT, &m->message, &f);
		keep(WITH_PEER, "ferry_imrecv", status, f, 0);
	}
}

static int start_barrier(MPI_Comm comm, void *arg, MPI_Request *request)
{
	(void)arg;
	return PMPI_Ibarrier(comm, request);
}

static int run_nothing(MPI_Comm comm, void *arg)
{
	(void)comm;
	(void)arg;
	return MPI_SUCCESS;
}

static int run_failing(MPI_Comm comm, void *arg)
{
	(void)comm;
	(void)arg;
	return MPI_ERR_ARG;
}

static void start_collectives(void)
{
	struct memory *m = t.m;
	ferry_future *f = NULL;
	int status = ferry_barrier(t.engine, &f);
	keep(WITH_PEER, "ferry_barrier", status, f, 0);
	status = ferry_bcast(t.engine, &m->to[4], 1, MPI_INT, 0, &f);
	keep(WITH_PEER, "ferry_bcast", status, f, 0);
	status = ferry_reduce(t.engine, &m->from[3], &m->to[5], 1, MPI_INT, MPI_SUM, 1, &f);
	keep(WITH_PEER, "ferry_reduce", status, f, 0);
	status = ferry_allreduce(t.engine, &m->from[3], &m->to[6], 1, MPI_INT, MPI_SUM, &f);
	keep(WITH_PEER, "ferry_allreduce", status, f, 0);
	status = ferry_gather(t.engine, m->sent, 100, 0, &f);
	keep(WITH_PEER, "ferry_gather of little", status, f, 0);
	status = ferry_gather(t.engine, m->sent, LONG, 1, &f);
	keep(WITH_PEER, "ferry_gather of much", status, f, 0);
	status = ferry_start(t.engine, start_barrier, NULL, &f);
	keep(WITH_PEER, "ferry_start", status, f, 0);
	status = ferry_run(t.engine, run_nothing, NULL, &f);
	keep(MUST_END, "ferry_run", status, f, 0);
	status = ferry_run(t.engine, run_failing, NULL, &f);
	keep(MUST_END, "ferry_run that fails", status, f, 0);
}

/* The future is decided, and as it may. */
static void check_end(unsigned i, int status, bool closed)
{
	ferry_future *f = t.futures[i].future;
	const char *what = t.futures[i].what;
	if (status == FERRY_PENDING && (closed || t.futures[i].kind != WITH_PEER))
		stop(what, status);
	if (status == FERRY_OK || status == FERRY_PENDING)
		return;
	if (status != FERRY_EMPI && status != FERRY_EPEER && status != FERRY_ESTOPPED &&
	    status != FERRY_ENOMEM && status != FERRY_ETRUNC)
		stop(what, status);
	if (status == FERRY_EMPI && !*ferry_future_detail(f))
		stop("FERRY_EMPI without a text", status);
	snprintf(t.worst, sizeof t.worst, "%.40s is %.20s: %.60s", what, ferry_strname(status),
	         ferry_future_detail(f));
}

/* Those with the peer may have to wait for the close: the other rank did not come. */
static void wait_for_all(void)
{
	double until = system_now() + SOON_S;
	for (unsigned i = 0; i < t.n; i++) {
		double left = t.futures[i].kind == WITH_PEER ? 1 : until - system_now();
		int status = ferry_future_wait(t.futures[i].future,
		                               left > 0 ? (int64_t)(left * 1e9) : 0);
		check_end(i, status, false);
	}
}

static void converse(int tag)
{
	if (!good("a counter", ferry_counter_create(t.engine, &t.counter)))
		return;
	post_messages();
	start_messages(tag);
	start_collectives();
	wait_for_all();
	good("a flush", ferry_flush(t.engine, FERRY_ALL, FERRY_S(SOON_S)));
	t.fence = ferry_fence(t.engine, FERRY_S(SOON_S));
	if (t.fence != FERRY_EINVAL)
		good("a fence", t.fence);
}

static void end(void)
{
	for (unsigned i = 0; i < t.n; i++) {
		check_end(i, ferry_future_poll(t.futures[i].future), true);
		ferry_future_release(t.futures[i].future);
	}
	ferry_counter_release(t.counter);
}

/* What came of this rank's messages, as the peer has counted. */
static void check_handled(const int status[64])
{
	unsigned theirs[64];
	PMPI_Sendrecv(t.handled, 64, MPI_UNSIGNED, peer, 1, theirs, 64, MPI_UNSIGNED, peer, 1,
	              sync_comm, MPI_STATUS_IGNORE);
	for (unsigned i = 0; i < 64; i++)
		if (status[i] == FERRY_OK && theirs[i] != 1)
			stop("a post is FERRY_OK and was not handled", FERRY_OK);
}

static void note_statuses(int status[64])
{
	for (unsigned i = 0; i < 64; i++)
		status[i] = FERRY_PENDING;
	for (unsigned i = 0; i < t.n; i++)
		if (t.futures[i].kind == MESSAGE)
			status[t.futures[i].number] = ferry_future_poll(t.futures[i].future);
}

static void check_same_open(void)
{
	int mine[2] = { t.open, -t.open }, all[2];
	PMPI_Allreduce(mine, all, 2, MPI_INT, MPI_MIN, sync_comm);
	if (all[0] != -all[1])
		stop("the open is not the same on both ranks", t.open);
	if (t.open)
		good("the open", t.open);
}

static void make_try(int victim)
{
	int statuses[64], hit;
	memset(&t, 0, sizeof t);
	memset(counts, 0, sizeof counts);
	struck = 0;
	CHECK(t.m = calloc(1, sizeof *t.m));
	alarm(TRY_S * (unsigned)check_env("TEST_SLOW", 1));
	PMPI_Barrier(sync_comm);
	failure.on = victim == rank || victim == BOTH;
	t.open = ferry_open_comm(MPI_COMM_WORLD, NULL, &t.engine);
	check_same_open();
	if (t.open == FERRY_OK) {
		CHECK_OK(ferry_handle(t.engine, OP_NOTE, FERRY_INLINE, on_message, NULL));
		CHECK_OK(ferry_handle(t.engine, OP_ASK, FERRY_INLINE, on_message, NULL));
		converse(1 + (int)(n_tries % 1000) * 8);
		t.close = ferry_close(t.engine);
		failure.on = false;
		note_statuses(statuses);
		end();
		if (t.close && t.close != FERRY_EMPI && t.close != FERRY_EPEER)
			stop("the close", t.close);
		check_handled(statuses);
	}
	failure.on = false;
	n_tries++;
	hit = (int)struck;
	PMPI_Allreduce(MPI_IN_PLACE, &hit, 1, MPI_INT, MPI_MAX, sync_comm);
	n_hits += (unsigned)hit;
	if (talks)
		printf("rank %d: %s: %s; open %s, fence %s, close %s%s%s\n", rank, doing,
		       hit ? "it failed" : "never called so often", ferry_strname(t.open),
		       t.open ? "-" : ferry_strname(t.fence), t.open ? "-" : ferry_strname(t.close),
		       *t.worst ? "; " : "", t.worst);
}

/* ---- which tries --------------------------------------------------------------------------- */

/* The first calls one by one, later ones here and there. */
static uint64_t next_call(uint64_t at, uint64_t all)
{
	uint64_t next = at < 12 ? at + 1 : at + at / 3;
	return at < all && next > all ? all : next;
}

static bool class_matters(unsigned function, unsigned class)
{
	bool completes =
		function == N_MPI_Test || function == N_MPI_Testsome || function == N_MPI_Wait;
	if (classes[class].class == MPI_ERR_IN_STATUS)
		return false; /* of a Testsome, whose statuses then have the codes */
	return class <= 2 || completes;
}

struct wanted {
	const char *function;
	uint64_t at;
	int class;
	unsigned way;
	int victim; /* -1: one after the other */
	bool sample;
	unsigned n;
};

static void try_one(struct wanted *w, unsigned f, uint64_t at, unsigned c, unsigned way, int victim)
{
	if (w->sample && w->n++ % 9 != 4)
		return;
	failure.function = f;
	failure.at = at;
	failure.class = classes[c].class;
	failure.way = way;
	snprintf(doing, sizeof doing, "%s %llu %u %u %d (%s, %s, at rank %d)", functions[f].name,
	         (unsigned long long)at, c, way, victim, classes[c].name,
	         way == MADE ? "made" : "not made", victim);
	make_try(victim);
}

static void try_function(struct wanted *w, unsigned f, uint64_t all)
{
	for (uint64_t at = w->at ? w->at : 1; at <= (w->at ? w->at : all); at = next_call(at, all))
		for (unsigned c = 0; c < COUNT_OF(classes); c++)
			for (unsigned way = NOT_MADE; way <= MADE; way++)
				for (int victim = 0; victim <= BOTH; victim++)
					if ((w->class < 0 ? class_matters(f, c)
					                  : (int)c == w->class) &&
					    functions[f].ways & way && (!w->way || w->way == way) &&
					    (w->victim < 0 ? victim != BOTH
					                   : w->victim == victim) &&
					    (!w->sample || c == 0))
						try_one(w, f, at, c, way, victim);
}

static void list(void)
{
	for (unsigned f = 0; f < N_FUNCTIONS; f++)
		puts(functions[f].name);
}

static struct wanted read_wanted(int argc, char **argv)
{
	struct wanted w = { .class = -1, .victim = -1, .sample = argc < 2 };
	if (argc > 1 && strcmp(argv[1], "all") != 0)
		w.function = argv[1];
	if (argc > 2)
		w.at = strtoull(argv[2], NULL, 0);
	if (argc > 3)
		w.class = atoi(argv[3]);
	if (argc > 4)
		w.way = (unsigned)atoi(argv[4]);
	if (argc > 5)
		w.victim = atoi(argv[5]);
	return w;
}

/* How often each is called when nothing fails: the most of both ranks. */
static void count_calls(uint64_t all[N_FUNCTIONS])
{
	snprintf(doing, sizeof doing, "nothing fails");
	make_try(-1);
	CHECK_OK(t.open);
	CHECK_OK(t.close);
	CHECK(!strncmp(t.worst, "ferry_run that fails", 20));
	PMPI_Allreduce(counts, all, N_FUNCTIONS, MPI_UINT64_T, MPI_MAX, sync_comm);
}

int main(int argc, char **argv)
{
	uint64_t all[N_FUNCTIONS];
	int provided;
	if (argc > 1 && strcmp(argv[1], "list") == 0) {
		list();
		return 0;
	}
	struct wanted w = read_wanted(argc, argv);
	system_watch();
	PMPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
	PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
	peer = 1 - rank;
	PMPI_Comm_dup(MPI_COMM_WORLD, &side);
	PMPI_Comm_set_errhandler(side, MPI_ERRORS_RETURN);
	PMPI_Comm_dup(MPI_COMM_WORLD, &sync_comm);
	memset(all, 0, sizeof all);
	if (!w.at) /* else the tries are the first engines of the process */
		count_calls(all);
	talks = w.function || check_env("TEST_TALKS", 0);
	for (unsigned f = 0; f < N_FUNCTIONS; f++) {
		if (w.function && strcmp(w.function, functions[f].name) != 0)
			continue;
		if (talks && rank == 0)
			printf("%s: %llu calls\n", functions[f].name, (unsigned long long)all[f]);
		try_function(&w, f, all[f]);
	}
	PMPI_Barrier(sync_comm);
	if (rank == 0)
		printf("failing: %u tries, in %u of them MPI failed: all futures end, and the "
		       "closes\n",
		       n_tries, n_hits);
	CHECK(!w.sample || n_hits > n_tries / 2);
	fflush(NULL);
	alarm(10);
	PMPI_Finalize();
	return 0;
}
