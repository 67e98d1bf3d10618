/* SPDX-License-Identifier: Apache-2.0 */
/* The collectives of ferry_mpi.h: many at once, in one order, beside posts; a mismatch is noticed
 * where builds check. */
#include <ferry_mpi.h>

#include "system.h"
#include "mpi/collective.h"

enum { ROUNDS = 25, KINDS = 5, LONG = 100000 };

static ferry *engine;
static int rank, size;

static ferry_future *done(ferry_future *future)
{
	int status = ferry_future_wait(future, FERRY_S(50));
	if (status)
		CHECK_FAIL("a collective ended with %s (%s)", ferry_strname(status),
		           ferry_future_detail(future));
	return future;
}

/* ---- all kinds, many under way ----------------------------------------- */

struct round {
	int shared[3], in[2], sum[2], all_in[2], all[2];
	ferry_future *futures[KINDS];
};

static void start_round(struct round *r, int number)
{
	int root = number % size;

	for (int i = 0; i < 3; i++)
		r->shared[i] = rank == root ? number * 10 + i : -1;
	for (int i = 0; i < 2; i++) {
		r->in[i] = number + rank + i;
		r->sum[i] = r->all[i] = -1;
		r->all_in[i] = number * 100 + rank;
	}
	CHECK_OK(ferry_bcast(engine, r->shared, 3, MPI_INT, root, &r->futures[0]));
	CHECK_OK(ferry_reduce(engine, r->in, r->sum, 2, MPI_INT, MPI_SUM, root, &r->futures[1]));
	CHECK_OK(ferry_allreduce(engine, r->all_in, r->all, 2, MPI_INT, MPI_MAX, &r->futures[2]));
	CHECK_OK(ferry_gather(engine, r->in, sizeof r->in, root, &r->futures[3]));
	CHECK_OK(ferry_barrier(engine, &r->futures[4]));
}

static void check_gathered(ferry_future *future, int number)
{
	ferry_message *message = NULL;

	if (rank != number % size) {
		CHECK_STATUS(ferry_future_take(future, &message), FERRY_EALREADY);
		return;
	}
	CHECK_OK(ferry_future_take(future, &message));
	CHECK_INT(ferry_message_attachments(message), size);
	for (int i = 0; i < size; i++) {
		int in[2];
		size_t nbytes;
		const void *part = ferry_message_attachment(message, (size_t)i, &nbytes);
		CHECK_INT(nbytes, sizeof in);
		memcpy(in, part, sizeof in);
		CHECK_INT(in[0], number + i);
	}
	ferry_message_release(message);
}

static void check_round(struct round *r, int number)
{
	for (int i = 0; i < KINDS; i++)
		done(r->futures[i]);
	for (int i = 0; i < 3; i++)
		CHECK_INT(r->shared[i], number * 10 + i);
	for (int i = 0; i < 2; i++) {
		if (rank == number % size)
			CHECK_INT(r->sum[i], size * (number + i) + size * (size - 1) / 2);
		CHECK_INT(r->all[i], number * 100 + size - 1);
	}
	check_gathered(r->futures[3], number);
	for (int i = 0; i < KINDS; i++)
		ferry_future_release(r->futures[i]);
}

static void check_all_kinds(void)
{
	static struct round rounds[ROUNDS];

	for (int i = 0; i < ROUNDS; i++)
		start_round(&rounds[i], i);
	for (int i = ROUNDS - 1; i >= 0; i--)
		check_round(&rounds[i], i);
}

/* ---- gather of any lengths --------------------------------------------- */

static void check_lengths(void)
{
	size_t nbytes = rank % 3 == 0 ? 0 : rank % 3 == 1 ? LONG : 5;
	char *data = malloc(LONG), *taken;
	ferry_message *message;
	ferry_future *future;
	int root = size - 1;

	CHECK(data);
	memset(data, 'a' + rank % 26, LONG);
	CHECK_OK(ferry_gather(engine, nbytes ? data : NULL, nbytes, root, &future));
	done(future);
	if (rank == root) {
		CHECK_OK(ferry_future_take(future, &message));
		for (int i = 0; i < size; i++) {
			CHECK(taken = ferry_message_take(message, (size_t)i, &nbytes));
			CHECK_INT(nbytes, i % 3 == 0 ? 0 : i % 3 == 1 ? LONG : 5);
			for (size_t b = 0; b < nbytes; b++)
				CHECK_INT(taken[b], 'a' + i % 26);
			free(taken);
		}
		ferry_message_release(message);
	}
	ferry_future_release(future);
	CHECK_OK(ferry_gather(engine, data, LONG, 0, &future)); /* nobody takes it */
	ferry_future_release(done(future));
	free(data);
}

/* ---- in place, given up, wrong ----------------------------------------- */

/* Who gives up takes part all the same: the others' result is complete. */
static void check_given_up(void)
{
	int in = 1, sum = 0;
	ferry_future *future;
	MPI_Status status;

	CHECK_OK(ferry_allreduce(engine, &in, &sum, 1, MPI_INT, MPI_SUM, &future));
	if (rank == 0) {
		int outcome = ferry_future_cancel(future);
		CHECK(outcome == FERRY_OK || outcome == FERRY_EALREADY);
	} else {
		done(future);
		CHECK_INT(sum, size);
	}
	ferry_future_release(future);
	sum = rank + 1;
	int *place = &in;
	CHECK_OK(ferry_allreduce(engine, MPI_IN_PLACE, place, 1, MPI_INT, MPI_SUM, &future));
	CHECK_OK(ferry_future_mpi_status(done(future), &status));
	CHECK_INT(in, size);
	ferry_future_release(future);
	CHECK_STATUS(ferry_bcast(engine, &in, 1, MPI_INT, size, &future), FERRY_EINVAL);
	CHECK_STATUS(ferry_bcast(engine, &in, -1, MPI_INT, 0, &future), FERRY_EINVAL);
	CHECK_STATUS(ferry_reduce(engine, &in, &sum, 1, MPI_DATATYPE_NULL, MPI_SUM, 0, &future),
	             FERRY_EINVAL);
	CHECK_STATUS(ferry_allreduce(engine, &in, &sum, 1, MPI_INT, MPI_OP_NULL, &future),
	             FERRY_EINVAL);
	CHECK_STATUS(ferry_gather(engine, NULL, 4, 0, &future), FERRY_EINVAL);
	CHECK_STATUS(ferry_gather(engine, &in, (size_t)1 << 31, 0, &future), FERRY_ETOOBIG);
	CHECK_STATUS(ferry_barrier(NULL, &future), FERRY_EINVAL);
}

/* In builds that compare: all ranks are told, and the next one works again. */
static void check_mismatch(void)
{
	int number = rank, sum = 0;
	ferry_future *futures[3];

	if (!FY_COLLECTIVE_CHECKS || size == 1)
		return;
	if (rank == 0)
		CHECK_OK(ferry_barrier(engine, &futures[0]));
	else
		CHECK_OK(ferry_bcast(engine, &number, 1, MPI_INT, 0, &futures[0]));
	CHECK_OK(ferry_allreduce(engine, &number, &sum, rank == size - 1 ? 1 : 0, MPI_INT, MPI_SUM,
	                         &futures[1]));
	CHECK_OK(ferry_allreduce(engine, &number, &sum, 1, MPI_INT, MPI_SUM, &futures[2]));
	for (int i = 0; i < 2; i++) {
		CHECK_INT(ferry_future_wait(futures[i], FERRY_S(50)), FERRY_EMPI);
		CHECK(strstr(ferry_future_detail(futures[i]), "other ranks"));
	}
	done(futures[2]);
	CHECK_INT(sum, size * (size - 1) / 2);
	for (int i = 0; i < 3; i++)
		ferry_future_release(futures[i]);
}

int main(void)
{
	int out = 1;

	system_watch();
	engine = system_open(NULL);
	rank = ferry_rank(engine);
	size = ferry_size(engine);
	CHECK_OK(ferry_post(engine, (rank + 1) % size, 1, &out, sizeof out, NULL));
	check_all_kinds();
	check_lengths();
	check_given_up();
	check_mismatch();
	check_all_kinds();
	ferry_barrier(engine, NULL); /* a close waits for it */
	CHECK_OK(ferry_close(engine));
	if (rank == 0)
		printf("collective: %d of each kind, %s\n", 2 * ROUNDS,
		       FY_COLLECTIVE_CHECKS ? "compared among the ranks"
		                            : "not compared in this build");
	return 0;
}
