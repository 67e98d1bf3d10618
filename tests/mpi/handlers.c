/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's error handlers are as without the engine: while it is open, while something of the
 * program's fails in it, and afterwards. Each rank talks to itself.
 *
 * `handlers fatal KIND WHERE` is to end the job, `handlers forget WHO` leaves out ferry_close:
 * see finalize.sh.
 */
#include "system.h"

#include "ferry_mpi.h"

enum { SHORT = 10, LONG = 100, TAG = 5 };

static ferry *engine;
static int rank, size;
static volatile int calls; /* of the program's handlers, each on the thread that meets the error */
static MPI_Comm seen;
static int seen_class;

static void note(MPI_Comm *comm, int *code, ...)
{
	calls++;
	seen = *comm;
	MPI_Error_class(*code, &seen_class);
}

static void other(MPI_Comm *comm, int *code, ...)
{
	(void)comm;
	(void)code;
}

/* Until the engine sleeps: while it has something of ours to look at MPICH may show its handler for
 * an instant. */
static void rest(void)
{
	system_sleep_ms(5);
}

static int send_to_nobody(MPI_Comm comm)
{
	int x = 0;
	return MPI_Send(&x, 1, MPI_INT, size + 1000, 0, comm);
}

/* ---- what fails in the engine ------------------------------------------ */

static ferry_future *cut_off(MPI_Comm comm)
{
	static char out[LONG], in[LONG];
	ferry_future *sent, *received;
	/* The send first: Open MPI 4.1.4 does not tell of a receive that was there before. */
	CHECK_OK(ferry_isend(engine, out, LONG, MPI_BYTE, rank, TAG, comm, &sent));
	CHECK_OK(ferry_irecv(engine, in, SHORT, MPI_BYTE, rank, TAG, comm, &received));
	CHECK_OK(ferry_future_wait(sent, FERRY_S(20)));
	ferry_future_release(sent);
	return received;
}

static ferry_future *wrong_send(MPI_Comm comm)
{
	static int x;
	ferry_future *future;
	CHECK_OK(ferry_isend(engine, &x, 1, MPI_INT, size + 1000, TAG, comm, &future));
	return future;
}

static int start_wrong(MPI_Comm given, void *arg, MPI_Request *request)
{
	static int x;
	(void)given;
	return MPI_Isend(&x, 1, MPI_INT, size + 1000, TAG, *(MPI_Comm *)arg, request);
}

static ferry_future *wrong_start(MPI_Comm comm)
{
	static MPI_Comm on;
	ferry_future *future;
	on = comm;
	CHECK_OK(ferry_start(engine, start_wrong, &on, &future));
	return future;
}

/* On the communicator that ferry_start gives, which returns errors. */
static int start_cut_off(MPI_Comm given, void *arg, MPI_Request *request)
{
	static char out[LONG], in[LONG];
	MPI_Request send;
	(void)arg;
	int code = MPI_Isend(out, LONG, MPI_BYTE, rank, TAG, given, &send);
	return code ? code
	            : (MPI_Request_free(&send),
	               MPI_Irecv(in, SHORT, MPI_BYTE, rank, TAG, given, request));
}

static ferry_future *(*const failures[])(MPI_Comm comm) = { cut_off, wrong_send, wrong_start };

/* An operation that fails, and how often the program's handler is to be called for it. */
static void fails(ferry_future *future, int times, MPI_Comm comm)
{
	MPI_Status status;
	CHECK_STATUS(ferry_future_wait(future, FERRY_S(20)), FERRY_EMPI);
	CHECK_INT(calls, times);
	CHECK(!times || seen == comm);
	CHECK_OK(ferry_future_mpi_status(future, &status));
	CHECK_INT(status.MPI_SOURCE, MPI_ANY_SOURCE);
	CHECK(status.MPI_ERROR != MPI_SUCCESS);
	ferry_future_release(future);
	calls = 0;
	seen = MPI_COMM_NULL;
}

static void check_failures(MPI_Comm comm, MPI_Errhandler own)
{
	MPI_Errhandler before, now;
	MPI_Comm_get_errhandler(comm, &before);
	for (unsigned i = 0; i < COUNT_OF(failures); i++) {
		MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
		fails(failures[i](comm), 0, comm);
		MPI_Comm_set_errhandler(comm, own);
		fails(failures[i](comm), 1, comm);
		rest();
		MPI_Comm_get_errhandler(comm, &now);
		CHECK(now == own);
		MPI_Errhandler_free(&now);
	}
	MPI_Comm_set_errhandler(comm, before);
	MPI_Errhandler_free(&before);
}

static void check_given(void)
{
	ferry_future *future;
	CHECK_OK(ferry_start(engine, start_cut_off, NULL, &future));
	fails(future, 0, MPI_COMM_NULL);
}

/* ---- the program's own calls ------------------------------------------- */

static void check_own_calls(MPI_Comm comm, MPI_Errhandler own)
{
	MPI_Errhandler now;
	rest();
	calls = 0;
	CHECK(send_to_nobody(comm) != MPI_SUCCESS);
	CHECK_INT(calls, 1);
	CHECK(seen == comm);
	MPI_Comm_get_errhandler(comm, &now);
	CHECK(now == own);
	MPI_Errhandler_free(&now);
	calls = 0;
}

/* While receives of the program's are under way and the engine has much to do: at such an instant
 * MPICH may have it called for another communicator, but it is called. */
static void check_beside_traffic(MPI_Errhandler own)
{
	enum { ROUNDS = 200 };
	static char in[8];
	ferry_future *future, *posted;
	MPI_Comm copy;
	CHECK_OK(ferry_irecv(engine, in, 8, MPI_BYTE, 0, TAG + 1, MPI_COMM_SELF, &future));
	for (unsigned i = 0; i < check_scaled(ROUNDS); i++) {
		CHECK_OK(ferry_post(engine, rank, 1, "x", 1, &posted));
		MPI_Comm_dup(MPI_COMM_SELF, &copy);
		MPI_Comm_free(&copy);
		MPI_Comm_set_errhandler(MPI_COMM_WORLD, own);
		calls = 0;
		CHECK(send_to_nobody(MPI_COMM_WORLD) != MPI_SUCCESS);
		CHECK_INT(calls, 1);
		CHECK_OK(ferry_future_wait(posted, FERRY_S(20)));
		ferry_future_release(posted);
	}
	CHECK_OK(ferry_future_cancel(future));
	ferry_future_release(future);
	rest();
	calls = 0;
}

/* ---- ends -------------------------------------------------------------- */

/* Does not return: MPI ends the job. */
static int be_fatal(const char *kind, const char *where)
{
	MPI_Comm comm = MPI_COMM_WORLD;
	int which = !strcmp(kind, "receive") ? 0 : !strcmp(kind, "send") ? 1 : 2;
	if (!strcmp(where, "copy")) {
		MPI_Comm_dup(MPI_COMM_WORLD, &comm);
		MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	}
	MPI_Comm_set_errhandler(comm, MPI_ERRORS_ARE_FATAL);
	engine = system_open(NULL);
	rank = ferry_rank(engine);
	size = ferry_size(engine);
	int status = ferry_future_wait(failures[which](comm), FERRY_S(20));
	printf("the job goes on: %s\n", ferry_strname(status));
	fflush(NULL);
	_exit(0);
}

/* `program`: the program initialized MPI; `engine`: the engine did; `closed`: nothing
 * is forgotten. */
static int forget(const char *who)
{
	int provided;
	if (strcmp(who, "engine"))
		MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
	engine = system_open(NULL);
	if (!strcmp(who, "closed"))
		CHECK_OK(ferry_close(engine));
	MPI_Finalize();
	puts("MPI_Finalize returned");
	fflush(NULL);
	return 0;
}

int main(int argc, char **argv)
{
	int provided;
	MPI_Errhandler own, another, got;
	MPI_Comm copy, during;
	system_watch();
	if (argc > 2 && !strcmp(argv[1], "forget"))
		return forget(argv[2]);
	MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
	if (argc > 3 && !strcmp(argv[1], "fatal"))
		return be_fatal(argv[2], argv[3]);
	MPI_Comm_create_errhandler(note, &own);
	MPI_Comm_create_errhandler(other, &another);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, own);
	MPI_Comm_dup(MPI_COMM_WORLD, &copy);
	engine = system_open(NULL);
	rank = ferry_rank(engine);
	size = ferry_size(engine);
	check_own_calls(MPI_COMM_WORLD, own);
	rest();
	MPI_Comm_dup(MPI_COMM_WORLD, &during);
	check_own_calls(during, own);
	check_failures(copy, own);
	check_failures(MPI_COMM_WORLD, own);
	check_given();
	check_beside_traffic(own);
	/* what a program does to look away for a moment, across a close */
	MPI_Comm_get_errhandler(MPI_COMM_WORLD, &got);
	CHECK(got == own);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, another);
	fails(cut_off(copy), 1, copy);
	CHECK_OK(ferry_close(engine));
	CHECK(send_to_nobody(MPI_COMM_WORLD) != MPI_SUCCESS);
	CHECK_INT(calls, 0);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, got);
	check_own_calls(MPI_COMM_WORLD, own);
	check_own_calls(during, own);
	check_own_calls(copy, own);
	MPI_Errhandler_free(&got);
	MPI_Errhandler_free(&own);
	MPI_Errhandler_free(&another);
	MPI_Comm_free(&during);
	MPI_Comm_free(&copy);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
	MPI_Finalize();
	if (rank == 0)
		puts("handlers of the program's");
	return 0;
}
