/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rank 0 sends and receives by ferry_isend and ferry_irecv, from 16 threads;
 * rank 1 is a plain MPI program of one thread that has no engine. Tags,
 * derived datatypes and MPI_ANY_SOURCE are MPI's, and so is the order.
 */
#include <ferry_mpi.h>

#include "system.h"

enum {
	THREADS = 16,
	WINDOW = 32,
	ELEMENTS = 8,
	STRIDE = 3,
	TAG_OPEN = 500, /* a message of this tag never comes */
	TAG_LATE = 501,
	TAG_GO = 502,
	TAG_END = 503,
	LONG = 1 << 20, /* ints; longer than what MPI sends before it is asked for */
	OP_AFTER = 9,
};

static ferry *engine;
static MPI_Comm mine;
static MPI_Datatype column; /* every third int, ELEMENTS of them */
static unsigned rounds;

static void release_all(ferry_future **futures, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ferry_future_release(futures[i]);
}

/* ---- rank 1: plain MPI ------------------------------------------------- */

/* Each thread's messages come in order; each is sent back with 1 added, in a layout of its own. */
static void echo(void)
{
	int in[ELEMENTS], out[ELEMENTS * STRIDE], next[THREADS] = { 0 };
	MPI_Status status;

	for (unsigned long n = (unsigned long)THREADS * rounds * WINDOW; n > 0; n--) {
		MPI_Recv(in, ELEMENTS, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, mine, &status);
		CHECK(status.MPI_TAG < THREADS);
		CHECK_INT(in[0], next[status.MPI_TAG]++);
		for (int i = 0; i < ELEMENTS; i++) {
			CHECK_INT(in[i], in[0] + i * 1000000);
			out[i * STRIDE] = in[i] + 1;
		}
		MPI_Send(out, 1, column, 0, status.MPI_TAG, mine);
	}
}

static void peer(void)
{
	int number;

	echo();
	MPI_Recv(&number, 1, MPI_INT, 0, TAG_GO, mine, MPI_STATUS_IGNORE);
	MPI_Send(&number, 1, MPI_INT, 0, TAG_LATE, mine);
	int *last = calloc(LONG, sizeof *last);
	CHECK(last);
	system_sleep_ms(200); /* rank 0 closes its engine meanwhile */
	MPI_Recv(last, LONG, MPI_INT, 0, TAG_END, mine, MPI_STATUS_IGNORE);
	CHECK_INT(last[LONG - 1], 77);
	free(last);
}

/* ---- rank 0: 16 threads ------------------------------------------------ */

struct window {
	int out[WINDOW][ELEMENTS * STRIDE];
	int in[WINDOW][ELEMENTS];
	ferry_future *sends[WINDOW], *receives[WINDOW];
};

static void start_window(struct window *w, int tag, int first)
{
	for (int i = 0; i < WINDOW; i++)
		CHECK_OK(ferry_irecv(engine, w->in[i], ELEMENTS, MPI_INT,
		                     i % 2 ? 1 : MPI_ANY_SOURCE, tag, mine, &w->receives[i]));
	for (int i = 0; i < WINDOW; i++) {
		for (int e = 0; e < ELEMENTS; e++)
			w->out[i][e * STRIDE] = first + i + e * 1000000;
		CHECK_OK(ferry_isend(engine, w->out[i], 1, column, 1, tag, mine, &w->sends[i]));
	}
}

static void check_window(struct window *w, int tag, int first)
{
	MPI_Status status;
	int count;

	CHECK_OK(ferry_wait_all(w->sends, WINDOW, FERRY_S(50)));
	CHECK_OK(ferry_wait_all(w->receives, WINDOW, FERRY_S(50)));
	for (int i = 0; i < WINDOW; i++) {
		for (int e = 0; e < ELEMENTS; e++)
			CHECK_INT(w->in[i][e], first + i + e * 1000000 + 1);
		CHECK_OK(ferry_future_mpi_status(w->receives[i], &status));
		CHECK_INT(status.MPI_SOURCE, 1);
		CHECK_INT(status.MPI_TAG, tag);
		MPI_Get_count(&status, MPI_INT, &count);
		CHECK_INT(count, ELEMENTS);
	}
	release_all(w->sends, WINDOW);
	release_all(w->receives, WINDOW);
}

static void *talk(void *arg)
{
	int tag = (int)(intptr_t)arg;
	struct window *w = calloc(1, sizeof *w);

	CHECK(w);
	for (unsigned round = 0; round < rounds; round++) {
		start_window(w, tag, (int)round * WINDOW);
		check_window(w, tag, (int)round * WINDOW);
	}
	free(w);
	return NULL;
}

/* A receive that was given up takes no message that comes later. */
static void check_given_up(void)
{
	int never = -1, late = -1, go = 5;
	ferry_future *given_up, *timed_out, *receive, *send;
	MPI_Status status;

	CHECK_OK(
		ferry_irecv(engine, &never, 1, MPI_INT, MPI_ANY_SOURCE, TAG_LATE, mine, &given_up));
	CHECK_OK(ferry_irecv(engine, &never, 1, MPI_INT, 1, TAG_LATE, mine, &timed_out));
	CHECK_INT(ferry_future_poll(given_up), FERRY_PENDING);
	system_sleep_ms(10);
	CHECK_OK(ferry_future_cancel(given_up));
	CHECK_OK(ferry_future_deadline(timed_out, FERRY_MS(10)));
	CHECK_INT(ferry_future_wait(timed_out, FERRY_S(50)), FERRY_ETIMEDOUT);
	CHECK_INT(ferry_future_poll(given_up), FERRY_ECANCELED);
	CHECK_STATUS(ferry_future_mpi_status(given_up, &status), FERRY_EINVAL);
	system_sleep_ms(50);
	CHECK_OK(ferry_irecv(engine, &late, 1, MPI_INT, 1, TAG_LATE, mine, &receive));
	CHECK_OK(ferry_isend(engine, &go, 1, MPI_INT, 1, TAG_GO, mine, &send));
	CHECK_OK(ferry_future_wait(receive, FERRY_S(50)));
	CHECK_INT(late, 5);
	CHECK_INT(never, -1);
	CHECK_OK(ferry_future_wait(send, FERRY_S(50)));
	release_all((ferry_future *[]){ given_up, timed_out, receive, send }, 4);
}

static void check_arguments(void)
{
	ferry_future *future = NULL;
	int number = 0;

	CHECK_STATUS(ferry_isend(engine, &number, -1, MPI_INT, 1, 0, mine, &future), FERRY_EINVAL);
	CHECK_STATUS(ferry_isend(engine, &number, 1, MPI_DATATYPE_NULL, 1, 0, mine, &future),
	             FERRY_EINVAL);
	CHECK_STATUS(ferry_irecv(engine, &number, 1, MPI_INT, 1, 0, MPI_COMM_NULL, &future),
	             FERRY_EINVAL);
	CHECK_STATUS(ferry_irecv(NULL, &number, 1, MPI_INT, 1, 0, mine, &future), FERRY_EINVAL);
	CHECK(!future);
	/* the communicator lets errors return */
	CHECK_OK(ferry_isend(engine, &number, 1, MPI_INT, 4711, 0, mine, &future));
	CHECK_INT(ferry_future_wait(future, FERRY_S(50)), FERRY_EMPI);
	CHECK(strlen(ferry_future_detail(future)) > 10);
	ferry_future_release(future);
	CHECK_OK(ferry_isend(engine, &number, 1, MPI_INT, MPI_PROC_NULL, 0, mine, &future));
	CHECK_OK(ferry_future_wait(future, FERRY_S(50)));
	ferry_future_release(future);
	MPI_Status status;
	int count = -1;
	CHECK_OK(ferry_irecv(engine, &number, 1, MPI_INT, MPI_PROC_NULL, 7, mine, &future));
	CHECK_OK(ferry_future_wait(future, FERRY_S(50)));
	CHECK_OK(ferry_future_mpi_status(future, &status));
	CHECK_INT(status.MPI_SOURCE, MPI_PROC_NULL);
	CHECK_INT(status.MPI_TAG, MPI_ANY_TAG);
	MPI_Get_count(&status, MPI_INT, &count);
	CHECK_INT(count, 0);
	ferry_future_release(future);
}

static void after(ferry_future *future, int status, void *arg)
{
	(void)future;
	CHECK_INT(status, FERRY_OK);
	CHECK_OK(ferry_post(engine, 0, OP_AFTER, arg, sizeof(int), NULL));
}

static void hear(ferry *on, ferry_message *message, void *arg)
{
	CHECK(on == engine);
	memcpy(arg, ferry_message_body(message, NULL), sizeof(int));
}

/* A close ends a receive for which there is no message, and waits for a send and what follows
 * from it. */
static void check_close(void)
{
	int never = -1, heard = 0, *last = calloc(LONG, sizeof *last);
	ferry_future *receive, *send;

	CHECK(last);
	last[LONG - 1] = 77;
	CHECK_OK(ferry_handle(engine, OP_AFTER, FERRY_INLINE, hear, &heard));
	CHECK_OK(ferry_irecv(engine, &never, 1, MPI_INT, 1, TAG_OPEN, mine, &receive));
	CHECK_OK(ferry_isend(engine, last, LONG, MPI_INT, 1, TAG_END, mine, &send));
	CHECK_OK(ferry_future_then(send, FERRY_INLINE, after, &last[LONG - 1]));
	CHECK_OK(ferry_close(engine));
	CHECK_INT(ferry_future_poll(send), FERRY_OK);
	CHECK_INT(heard, 77);
	free(last);
	CHECK_INT(ferry_future_poll(receive), FERRY_ESTOPPED);
	CHECK_INT(never, -1);
	release_all((ferry_future *[]){ receive, send }, 2);
}

static void with_ferry(void)
{
	pthread_t threads[THREADS];

	CHECK_OK(ferry_open_comm(MPI_COMM_SELF, NULL, &engine));
	CHECK_INT(ferry_size(engine), 1);
	for (intptr_t i = 0; i < THREADS; i++)
		CHECK_INT(pthread_create(&threads[i], NULL, talk, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	check_arguments();
	check_given_up();
	check_close();
}

int main(void)
{
	int provided, rank;

	system_watch();
	MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
	if (provided < MPI_THREAD_MULTIPLE)
		CHECK_SKIP("this MPI has no MPI_THREAD_MULTIPLE");
	rounds = (unsigned)check_scaled(40);
	MPI_Comm_dup(MPI_COMM_WORLD, &mine);
	MPI_Comm_set_errhandler(mine, MPI_ERRORS_RETURN);
	MPI_Comm_rank(mine, &rank);
	MPI_Type_vector(ELEMENTS, 1, STRIDE, MPI_INT, &column);
	MPI_Type_commit(&column);
	if (rank == 0)
		with_ferry();
	else
		peer();
	MPI_Type_free(&column);
	MPI_Comm_free(&mine);
	MPI_Finalize();
	if (rank == 0)
		printf("plain_mpi: %d threads with %u messages each, there and back\n", THREADS,
		       rounds * WINDOW);
	return 0;
}
