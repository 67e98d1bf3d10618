/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collective operations of several threads, each with a communicator of its own, while others send
 * and receive. The threads of the two ranks come to them in different orders, so whoever waits in
 * one must not keep the others from theirs.
 */
#include "check.h"

enum { ROUNDS = 8, NUMBERS = 32, TAG = 7 };

/* Ranks and threads take their rounds at different speeds. */
static void dawdle(const struct place *p, int round)
{
	if ((round + p->thread + 2 * p->rank) % 7 == 0)
		check_sleep_us(200);
}

static void reduce(const struct place *p, int round)
{
	int mine[NUMBERS], sum[NUMBERS];

	for (int i = 0; i < NUMBERS; i++)
		mine[i] = p->rank * 1000 + round + i;
	MPI_Allreduce(mine, sum, NUMBERS, MPI_INT, MPI_SUM, p->comm);
	for (int i = 0; i < NUMBERS; i++)
		CHECK(sum[i] == 1000 + 2 * (round + i), "a sum is %d", sum[i]);
}

static void broadcast(const struct place *p, int round)
{
	int root = round % 2, numbers[NUMBERS] = { 0 };

	for (int i = 0; i < NUMBERS && p->rank == root; i++)
		numbers[i] = round * i;
	MPI_Bcast(numbers, NUMBERS, MPI_INT, root, p->comm);
	CHECK(numbers[NUMBERS - 1] == round * (NUMBERS - 1), "the last is %d",
	      numbers[NUMBERS - 1]);
}

static void all_to_all(const struct place *p, int round)
{
	int out[2] = { round + p->rank, round + 10 + p->rank }, in[2] = { -1, -1 };

	MPI_Alltoall(out, 1, MPI_INT, in, 1, MPI_INT, p->comm);
	for (int from = 0; from < 2; from++)
		CHECK(in[from] == round + 10 * p->rank + from, "rank %d sent %d", from, in[from]);
}

static void overlap(const struct place *p, int round)
{
	int mine = round + p->rank, all[2] = { -1, -1 }, flag = 0;
	MPI_Request r[2];

	MPI_Iallgather(&mine, 1, MPI_INT, all, 1, MPI_INT, p->comm, &r[0]);
	MPI_Ibarrier(p->comm, &r[1]);
	while (MPI_Testall(2, r, &flag, MPI_STATUSES_IGNORE), !flag)
		sched_yield();
	CHECK(all[0] == round && all[1] == round + 1, "%d and %d were gathered", all[0], all[1]);
}

static void collectives(const struct place *p)
{
	for (int round = 0; round < ROUNDS; round++) {
		dawdle(p, round);
		reduce(p, round);
		broadcast(p, round);
		MPI_Barrier(p->comm);
		all_to_all(p, round);
		overlap(p, round);
	}
}

/* Some threads of a rank are in collective operations, and can only end when the others have had
 * their messages. */
static void mixed(const struct place *p)
{
	int in, out;

	for (int round = 0; round < ROUNDS; round++) {
		dawdle(p, round);
		out = round;
		if (p->thread % 2) {
			MPI_Barrier(p->comm);
			continue;
		}
		MPI_Sendrecv(&out, 1, MPI_INT, p->peer, TAG, &in, 1, MPI_INT, p->peer, TAG, p->comm,
		             MPI_STATUS_IGNORE);
		CHECK(in == round, "%d came in round %d", in, round);
	}
}

/* A communicator is made and freed while the others communicate. */
static void communicators(const struct place *p)
{
	for (int round = 0; round < 5; round++) {
		MPI_Comm made;
		int sum = 0, one = 1;

		MPI_Comm_dup(p->comm, &made);
		MPI_Allreduce(&one, &sum, 1, MPI_INT, MPI_SUM, made);
		CHECK(sum == 2, "the sum of two is %d", sum);
		MPI_Comm_free(&made);
	}
}

static const struct check_case cases[] = {
	{ .name = "each thread on its communicator", .run = collectives },
	{ .name = "some threads in a barrier, some send", .run = mixed },
	{ .name = "communicators are made and freed", .run = communicators },
};

int main(void)
{
	check_begin(60);
	check_cases(cases, COUNT_OF(cases), MPI_COMM_WORLD);
	MPI_Finalize();
	return 0;
}
