/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ferry_sendrecv: a ring of ranks, each of many threads, that all send before anybody receives;
 * MPI_PROC_NULL at the ends of a line; long messages, which MPI does not send before they are asked
 * for; what is wrong, what is given up, and what a close leaves.
 */
#include <ferry_mpi.h>

#include "system.h"

enum { THREADS = 8, LONG = 1 << 18, TAG_NEVER = 900, TAG_LATE = 901 };

static ferry *engine;
static MPI_Comm mine;
static int rank, size, next, before;
static unsigned rounds;

static void exchange(const int *out, int *in, int count, int tag, MPI_Status *status)
{
	ferry_future *future;
	CHECK_OK(ferry_sendrecv(engine, out, count, MPI_INT, next, tag, in, count, MPI_INT, before,
	                        tag, mine, &future));
	CHECK_OK(ferry_future_wait(future, FERRY_S(50)));
	CHECK_OK(ferry_future_mpi_status(future, status));
	ferry_future_release(future);
}

static void *go_round(void *arg)
{
	int tag = (int)(intptr_t)arg, out[4], in[4], count;
	MPI_Status status;
	for (unsigned round = 0; round < rounds; round++) {
		for (int i = 0; i < 4; i++) {
			out[i] = rank * 1000000 + (int)round * 10 + i;
			in[i] = -1;
		}
		exchange(out, in, 4, tag, &status);
		for (int i = 0; i < 4; i++)
			CHECK_INT(in[i], before * 1000000 + (int)round * 10 + i);
		CHECK_INT(status.MPI_SOURCE, before);
		CHECK_INT(status.MPI_TAG, tag);
		MPI_Get_count(&status, MPI_INT, &count);
		CHECK_INT(count, 4);
	}
	return NULL;
}

static void check_ring(void)
{
	pthread_t threads[THREADS];
	for (intptr_t i = 0; i < THREADS; i++)
		CHECK_INT(pthread_create(&threads[i], NULL, go_round, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void check_long(void)
{
	int *out = calloc(LONG, sizeof *out), *in = calloc(LONG, sizeof *in);
	MPI_Status status;
	CHECK(out && in);
	out[LONG - 1] = rank + 1;
	exchange(out, in, LONG, 50, &status);
	CHECK_INT(in[LONG - 1], before + 1);
	free(out);
	free(in);
}

/* A line of ranks: who has no neighbour there names MPI_PROC_NULL, in each direction or both. */
static void check_line(void)
{
	int out = rank, in = -7, to = rank + 1 < size ? rank + 1 : MPI_PROC_NULL,
	    from = rank ? rank - 1 : MPI_PROC_NULL;
	ferry_future *futures[2];
	MPI_Status status;
	CHECK_OK(ferry_sendrecv(engine, &out, 1, MPI_INT, to, 60, &in, 1, MPI_INT, from, 60, mine,
	                        &futures[0]));
	CHECK_OK(ferry_sendrecv(engine, &out, 1, MPI_INT, MPI_PROC_NULL, 61, NULL, 0, MPI_INT,
	                        MPI_PROC_NULL, 61, mine, &futures[1]));
	CHECK_OK(ferry_wait_all(futures, 2, FERRY_S(50)));
	CHECK_OK(ferry_future_mpi_status(futures[0], &status));
	CHECK_INT(status.MPI_SOURCE, from);
	CHECK_INT(in, rank ? rank - 1 : -7);
	CHECK_OK(ferry_finish_all(futures, 2, FERRY_S(50)));
	CHECK(!futures[0] && !futures[1]);
}

/* One half is wrong: the future says so, and nothing of the other half is left. */
static void check_wrong(void)
{
	int out = 5, in = -1, late = -1;
	ferry_future *future = NULL, *receive, *send;
	CHECK_STATUS(ferry_sendrecv(NULL, &out, 1, MPI_INT, 0, 0, &in, 1, MPI_INT, 0, 0, mine,
	                            &future),
	             FERRY_EINVAL);
	CHECK_STATUS(ferry_sendrecv(engine, &out, -1, MPI_INT, 0, 0, &in, 1, MPI_INT, 0, 0, mine,
	                            &future),
	             FERRY_EINVAL);
	CHECK_STATUS(ferry_sendrecv(engine, &out, 1, MPI_INT, 0, 0, &in, -1, MPI_INT, 0, 0, mine,
	                            &future),
	             FERRY_EINVAL);
	CHECK_STATUS(ferry_sendrecv(engine, &out, 1, MPI_DATATYPE_NULL, 0, 0, &in, 1, MPI_INT, 0, 0,
	                            mine, &future),
	             FERRY_EINVAL);
	CHECK_STATUS(ferry_sendrecv(engine, &out, 1, MPI_INT, 0, 0, &in, 1, MPI_DATATYPE_NULL, 0, 0,
	                            mine, &future),
	             FERRY_EINVAL);
	CHECK_STATUS(ferry_sendrecv(engine, &out, 1, MPI_INT, 0, 0, &in, 1, MPI_INT, 0, 0,
	                            MPI_COMM_NULL, &future),
	             FERRY_EINVAL);
	CHECK(!future);
	CHECK_OK(ferry_sendrecv(engine, &out, 1, MPI_INT, size + 7, 70, &in, 1, MPI_INT, before, 70,
	                        mine, &future));
	CHECK_INT(ferry_future_wait(future, FERRY_S(50)), FERRY_EMPI);
	CHECK(strstr(ferry_last_error(), "ferry_sendrecv"));
	ferry_future_release(future);
	ferry_future *half;
	CHECK_OK(ferry_sendrecv(engine, &out, 1, MPI_INT, next, 71, &in, 1, MPI_INT, size + 7, 70,
	                        mine, &half));
	/* the receive whose send was refused took no message away, whoever was first */
	CHECK_OK(ferry_isend(engine, &out, 1, MPI_INT, next, 70, mine, &send));
	CHECK_OK(ferry_irecv(engine, &late, 1, MPI_INT, before, 70, mine, &receive));
	CHECK_OK(ferry_future_wait(receive, FERRY_S(50)));
	CHECK_OK(ferry_future_wait(send, FERRY_S(50)));
	CHECK_INT(late, 5);
	CHECK_INT(in, -1);
	ferry_future_release(receive);
	/* the half that was right */
	CHECK_OK(ferry_irecv(engine, &late, 1, MPI_INT, before, 71, mine, &receive));
	CHECK_OK(ferry_future_wait(receive, FERRY_S(50)));
	ferry_future_release(receive);
	ferry_future_release(send);
	CHECK_INT(ferry_future_wait(half, FERRY_S(50)), FERRY_EMPI);
	ferry_future_release(half);
}

/* Given up: the receive takes no message that comes later; the send was made. */
static void check_given_up(void)
{
	int out = 30 + rank, never = -1, in = -1, token = 1;
	ferry_future *future, *send;
	CHECK_OK(ferry_sendrecv(engine, &out, 1, MPI_INT, next, TAG_LATE + 1, &never, 1, MPI_INT,
	                        before, TAG_LATE, mine, &future));
	system_sleep_ms(20);
	CHECK_OK(ferry_future_cancel(future));
	CHECK_INT(ferry_future_poll(future), FERRY_ECANCELED);
	ferry_future_release(future);
	MPI_Status status;
	exchange(&token, &in, 1, 80, &status);
	system_sleep_ms(20);
	MPI_Barrier(mine);
	CHECK_OK(ferry_isend(engine, &out, 1, MPI_INT, next, TAG_LATE, mine, &send));
	for (int tag = TAG_LATE; tag <= TAG_LATE + 1; tag++) {
		CHECK_OK(ferry_irecv(engine, &in, 1, MPI_INT, before, tag, mine, &future));
		CHECK_OK(ferry_future_wait(future, FERRY_S(50)));
		CHECK_INT(in, 30 + before);
		ferry_future_release(future);
	}
	CHECK_OK(ferry_future_wait(send, FERRY_S(50)));
	ferry_future_release(send);
	CHECK_INT(never, -1);
}

/* A close ends one whose receive finds no message, with the send made; nobody need wait for it. */
static void check_close(void)
{
	int out = 44, never = -1, in = -1;
	ferry_future *future;
	/* to itself it would end only when it is received */
	int to = size > 1 ? next : MPI_PROC_NULL;
	CHECK_OK(ferry_sendrecv(engine, &out, 1, MPI_INT, to, 90, &never, 1, MPI_INT, before,
	                        TAG_NEVER, mine, &future));
	CHECK_OK(ferry_sendrecv(engine, &out, 1, MPI_INT, next, 91, &in, 1, MPI_INT, before, 91,
	                        mine, NULL));
	CHECK_OK(ferry_close(engine));
	CHECK_INT(ferry_future_poll(future), FERRY_ESTOPPED);
	ferry_future_release(future);
	CHECK_INT(never, -1);
	CHECK_INT(in, 44);
	if (size == 1)
		return;
	CHECK_INT(MPI_Recv(&in, 1, MPI_INT, before, 90, mine, MPI_STATUS_IGNORE), MPI_SUCCESS);
	CHECK_INT(in, 44);
}

int main(void)
{
	int provided;
	system_watch();
	MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
	if (provided < MPI_THREAD_MULTIPLE)
		CHECK_SKIP("this MPI has no MPI_THREAD_MULTIPLE");
	rounds = (unsigned)check_scaled(200);
	MPI_Comm_dup(MPI_COMM_WORLD, &mine);
	MPI_Comm_set_errhandler(mine, MPI_ERRORS_RETURN);
	MPI_Comm_rank(mine, &rank);
	MPI_Comm_size(mine, &size);
	next = (rank + 1) % size;
	before = (rank + size - 1) % size;
	CHECK_OK(ferry_open_comm(mine, NULL, &engine));
	check_ring();
	check_long();
	check_line();
	check_wrong();
	check_given_up();
	check_close();
	MPI_Comm_free(&mine);
	MPI_Finalize();
	return 0;
}
