/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of MPI that fail on one rank, once or now and then: this program's own stand before MPI's.
 * Nobody waits for ever, and what can be tried again is.
 */
#include "system.h"

#include "ferry_mpi.h"

static ferry *engine;
static int rank, size;
/* so many collectives of this rank fail; read and written where they are started */
static volatile int failing;
static volatile int refused;
static volatile bool no_copies; /* MPI_Comm_dup fails */

/* Seen by the library. */
#pragma GCC visibility push(default)
int MPI_Iallreduce(const void *from, void *to, int count, MPI_Datatype type, MPI_Op op,
                   MPI_Comm comm, MPI_Request *request);
int MPI_Igather(const void *from, int n, MPI_Datatype type, void *to, int m, MPI_Datatype other,
                int root, MPI_Comm comm, MPI_Request *request);
int MPI_Comm_dup(MPI_Comm comm, MPI_Comm *copy);
int MPI_Test(MPI_Request *request, int *done, MPI_Status *status);
#pragma GCC visibility pop

static bool fails_now(void)
{
	if (failing <= 0)
		return false;
	failing--;
	refused++;
	return true;
}

int MPI_Iallreduce(const void *from, void *to, int count, MPI_Datatype type, MPI_Op op,
                   MPI_Comm comm, MPI_Request *request)
{
	return fails_now() ? MPI_ERR_OTHER
	                   : PMPI_Iallreduce(from, to, count, type, op, comm, request);
}

int MPI_Igather(const void *from, int n, MPI_Datatype type, void *to, int m, MPI_Datatype other,
                int root, MPI_Comm comm, MPI_Request *request)
{
	return fails_now() ? MPI_ERR_NO_MEM
	                   : PMPI_Igather(from, n, type, to, m, other, root, comm, request);
}

int MPI_Comm_dup(MPI_Comm comm, MPI_Comm *copy)
{
	return no_copies ? MPI_ERR_OTHER : PMPI_Comm_dup(comm, copy);
}

/* Now and then MPI does not look, and says so; the request is as before. */
int MPI_Test(MPI_Request *request, int *done, MPI_Status *status)
{
	static volatile unsigned looks;
	return ++looks % 7 == 0 ? MPI_ERR_OTHER : PMPI_Test(request, done, status);
}

static void check_collectives(int fail)
{
	int one = 1, sum = 0, before = refused;
	ferry_future *all, *gathered;
	ferry_message *message;
	failing = rank == size - 1 ? fail : 0;
	CHECK_OK(ferry_allreduce(engine, &one, &sum, 1, MPI_INT, MPI_SUM, &all));
	CHECK_OK(ferry_gather(engine, &rank, sizeof rank, 0, &gathered));
	CHECK_OK(ferry_future_wait(all, FERRY_S(20)));
	CHECK_OK(ferry_future_wait(gathered, FERRY_S(20)));
	CHECK_INT(sum, size);
	CHECK(rank != size - 1 || refused - before == fail);
	if (rank == 0) {
		CHECK_OK(ferry_future_take(gathered, &message));
		for (int i = 0; i < size; i++) {
			size_t n;
			CHECK(*(const int *)ferry_message_attachment(message, (size_t)i, &n) == i);
		}
		ferry_message_release(message);
	}
	ferry_future_release(all);
	ferry_future_release(gathered);
}

static void on_post(ferry *on, ferry_message *message, void *arg)
{
	(void)on;
	(void)message;
	(void)arg;
}

int main(void)
{
	static char in[100], out[10];
	ferry_future *sent, *received;
	system_watch();
	no_copies = true;
	engine = system_open(NULL);
	rank = ferry_rank(engine);
	size = ferry_size(engine);
	CHECK_OK(ferry_handle(engine, 1, FERRY_INLINE, on_post, NULL));
	for (int fail = 0; fail < 4; fail++)
		check_collectives(fail);
	for (int i = 0; i < 1000; i++)
		CHECK_OK(ferry_post(engine, i % size, 1, "x", 1, NULL));
	CHECK_OK(ferry_isend(engine, out, 10, MPI_BYTE, (rank + 1) % size, 1, MPI_COMM_WORLD,
	                     &sent));
	CHECK_OK(ferry_irecv(engine, in, 100, MPI_BYTE, MPI_ANY_SOURCE, 1, MPI_COMM_WORLD,
	                     &received));
	CHECK_OK(ferry_future_wait(received, FERRY_S(20)));
	CHECK_OK(ferry_future_wait(sent, FERRY_S(20)));
	ferry_future_release(sent);
	ferry_future_release(received);
	CHECK_OK(ferry_fence(engine, FERRY_S(20)));
	CHECK_OK(ferry_close(engine));
	if (rank == 0)
		puts("what MPI refused was tried again");
	return 0;
}
