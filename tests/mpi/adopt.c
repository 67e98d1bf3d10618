/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application initializes MPI and goes on using it, while two engines, which adopt it, do their
 * work. After they are closed MPI is still the application's.
 */
#include <mpi.h>

#include "system.h"

enum { OP = 1, OP_ASK = 2, ENGINES = 2, THREADS = 2, RANKS_MAX = 64 };

struct adopted {
	ferry *engine;
	uint64_t sum;   /* of what came; written by the handler alone until a fence */
	uint64_t count; /* likewise */
};

struct poster {
	struct adopted *adopted;
	unsigned number; /* of the engine */
};

static unsigned posts;

static void receive(ferry *engine, ferry_message *message, void *arg)
{
	struct adopted *adopted = arg;
	uint64_t value;

	CHECK(engine == adopted->engine);
	memcpy(&value, ferry_message_body(message, NULL), sizeof value);
	adopted->sum += value;
	adopted->count++;
}

/* Which engine is asked shows in the answer. */
static void answer(ferry *engine, ferry_message *request, void *arg)
{
	(void)engine;
	CHECK_OK(ferry_reply(request, &((struct poster *)arg)->number, sizeof(unsigned)));
}

static void ask(const struct poster *poster, int rank)
{
	ferry_future *future;
	ferry_message *reply;
	unsigned number;

	CHECK_OK(ferry_call(poster->adopted->engine, rank, OP_ASK, NULL, 0, &future));
	CHECK_OK(ferry_future_wait(future, FERRY_FOREVER));
	CHECK_OK(ferry_future_take(future, &reply));
	memcpy(&number, ferry_message_body(reply, NULL), sizeof number);
	CHECK_INT(number, poster->number);
	ferry_message_release(reply);
	ferry_future_release(future);
}

static void *post_all(void *arg)
{
	const struct poster *poster = arg;
	ferry *engine = poster->adopted->engine;
	int size = ferry_size(engine);

	for (uint64_t i = 0; i < posts; i++) {
		uint64_t value = i + 1000000 * poster->number;

		CHECK_OK(ferry_post(engine, (int)(i % (unsigned)size), OP, &value, sizeof value,
		                    NULL));
		if (i % 500 == 0)
			ask(poster, (int)(i / 500 % (unsigned)size));
	}
	return NULL;
}

/* The application's own MPI, on the communicator that the engines were made from. */
static void use_mpi(int rank, int size)
{
	int next = (rank + 1) % size, before = (rank + size - 1) % size;

	for (int i = 0; i < 100; i++) {
		int out = rank * 1000 + i, in = -1, sum = 0;

		CHECK_INT(MPI_Sendrecv(&out, 1, MPI_INT, next, 0, &in, 1, MPI_INT, before,
		                       MPI_ANY_TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE),
		          MPI_SUCCESS);
		CHECK_INT(in, before * 1000 + i);
		CHECK_INT(MPI_Allreduce(&i, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD),
		          MPI_SUCCESS);
		CHECK_INT(sum, size * i);
	}
}

static void check_received(struct adopted *adopted, unsigned number, int rank, int size)
{
	uint64_t count = 0, sum = 0;

	for (uint64_t i = 0; i < posts; i++) {
		if (i % (unsigned)size != (unsigned)rank)
			continue;
		count++;
		sum += i + 1000000 * number;
	}
	CHECK_INT(adopted->count, count * THREADS * (unsigned)size);
	CHECK_INT(adopted->sum, sum * THREADS * (unsigned)size);
}

static void run(struct adopted *adopted, int rank, int size)
{
	struct poster posters[ENGINES * THREADS];
	struct system_crew crew;

	for (unsigned i = 0; i < ENGINES * THREADS; i++)
		posters[i] = (struct poster){ &adopted[i % ENGINES], i % ENGINES };
	for (unsigned i = 0; i < ENGINES; i++) {
		adopted[i].engine = system_open(NULL);
		CHECK_INT(ferry_rank(adopted[i].engine), rank);
		CHECK_INT(ferry_size(adopted[i].engine), size);
		CHECK_OK(ferry_handle(adopted[i].engine, OP, FERRY_INLINE, receive, &adopted[i]));
		CHECK_OK(
			ferry_handle(adopted[i].engine, OP_ASK, FERRY_INLINE, answer, &posters[i]));
	}
	system_crew_start(&crew, ENGINES * THREADS, post_all, posters, sizeof *posters);
	use_mpi(rank, size);
	system_crew_join(&crew);
	CHECK_OK(ferry_fence(adopted[0].engine, FERRY_FOREVER));
	check_received(&adopted[0], 0, rank, size);
	CHECK_OK(ferry_close(adopted[0].engine));
	use_mpi(rank, size);
	CHECK_OK(ferry_close(adopted[1].engine));
	check_received(&adopted[1], 1, rank, size);
}

int main(int argc, char **argv)
{
	struct adopted adopted[ENGINES] = { 0 };
	struct adopted again[ENGINES] = { 0 };
	int provided, rank, size, finalized;

	system_watch();
	posts = (unsigned)check_scaled(5000);
	MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
	if (provided < MPI_THREAD_MULTIPLE) {
		MPI_Finalize();
		CHECK_SKIP("this MPI has no MPI_THREAD_MULTIPLE");
	}
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	run(adopted, rank, size);
	CHECK_INT(MPI_Finalized(&finalized), MPI_SUCCESS);
	CHECK(!finalized);
	use_mpi(rank, size);
	run(again, rank, size); /* engines can come and go while MPI stays */
	MPI_Finalize();
	if (rank == 0)
		printf("adopt: twice two engines on an MPI that %d ranks initialized and used "
		       "meanwhile: %u posts of %d threads on each, none mixed up; MPI still theirs "
		       "after it\n",
		       size, posts, THREADS);
	return 0;
}
