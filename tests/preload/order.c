/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of messages: of one thread, and of threads that tell each other. Rank 0 sends, and
 * rank 1 too where it is said.
 */
#include "check.h"

enum { TAG = 50, TAG_OTHER = 51, WINDOW = 64, THREADS = 16, LONG = 1 << 15 };

/* ---- one thread ----------------------------------------------------------- */

/* Sends of one tag, in several forms and lengths, are received in their order, and receives that
 * were posted in an order get them in it. Both ranks do both. */
static void one_thread(const struct place *p)
{
	static const int lengths[] = { 1, 100, LONG };
	int *out = calloc(LONG, sizeof *out), *in = calloc((size_t)WINDOW * 101, sizeof *in);
	int *long_in = calloc(LONG, sizeof *long_in),
	    *copies = calloc(WINDOW * 101, sizeof *copies);
	MPI_Request r[2 * WINDOW];
	MPI_Status s[2 * WINDOW];

	CHECK(out && in && long_in && copies, "no memory");
	for (int i = 0; i < WINDOW; i++) {
		bool any = i % 3 == 0;

		/* one of them is long, and then MPI asks before it sends */
		MPI_Irecv(i == WINDOW / 2 ? long_in : in + i * 101, i == WINDOW / 2 ? LONG : 101,
		          MPI_INT, any ? MPI_ANY_SOURCE : p->peer, TAG, p->comm, &r[i]);
	}
	for (int i = 0; i < WINDOW; i++) {
		int *at = i == WINDOW / 2 ? out : copies + i * 101;

		at[0] = i;
		r[WINDOW + i] = MPI_REQUEST_NULL;
		if (i == WINDOW / 2)
			MPI_Isend(at, LONG, MPI_INT, p->peer, TAG, p->comm, &r[WINDOW + i]);
		else if (i % 5 == 1)
			MPI_Send(at, lengths[i % 2], MPI_INT, p->peer, TAG, p->comm);
		else if (i % 5 == 2)
			MPI_Issend(at, lengths[i % 2], MPI_INT, p->peer, TAG, p->comm,
			           &r[WINDOW + i]);
		else
			MPI_Isend(at, lengths[i % 2], MPI_INT, p->peer, TAG, p->comm,
			          &r[WINDOW + i]);
	}
	finish((enum way)((p->round + WAITALL) % WAYS), 2 * WINDOW, r, s);
	for (int i = 0; i < WINDOW; i++) {
		CHECK_STATUS(&s[i], p->peer, TAG, MPI_INT, lengths[i == WINDOW / 2 ? 2 : i % 2]);
		CHECK_INT(i == WINDOW / 2 ? long_in[0] : in[i * 101], i);
	}
	free(out);
	free(in);
	free(long_in);
	free(copies);
}

/* Two tags: each keeps its order, and a wildcard sees the order of both. */
static void two_tags(const struct place *p)
{
	int out[WINDOW], in, next[2] = { 0, 1 };
	MPI_Request r[WINDOW];
	MPI_Status s[WINDOW];

	for (int i = 0; i < WINDOW; i++) {
		out[i] = i;
		MPI_Isend(&out[i], 1, MPI_INT, p->peer, TAG + i % 2, p->comm, &r[i]);
	}
	for (int i = 0; i < WINDOW / 2; i++) {
		MPI_Recv(&in, 1, MPI_INT, p->peer, MPI_ANY_TAG, p->comm, &s[0]);
		CHECK_INT(in, next[s[0].MPI_TAG - TAG]);
		CHECK_INT(in, i);
		next[s[0].MPI_TAG - TAG] += 2;
	}
	for (int tag = 1; tag >= 0; tag--)
		for (int i = next[tag]; i < WINDOW; i += 2) {
			MPI_Recv(&in, 1, MPI_INT, MPI_ANY_SOURCE, TAG + tag, p->comm, &s[0]);
			CHECK_INT(in, i);
		}
	finish(WAITALL, WINDOW, r, s);
}

/* ---- threads that tell each other -------------------------------------------- */

/* Who has the baton posts the next one, and hands the baton on before it waits. */
static struct {
	MPI_Comm comm;
	atomic_int turn; /* the next message of all; it is for the thread of that number, modulo */
	int rounds;
} baton;

static void await_turn(int message)
{
	while (atomic_load_explicit(&baton.turn, memory_order_acquire) != message)
		sched_yield();
}

static void hand_on(int message)
{
	atomic_store_explicit(&baton.turn, message + 1, memory_order_release);
}

/* Some threads have a window of sends open, others send and are done with it. */
static void *send_in_turn(void *arg)
{
	enum { OPEN = 4 };
	int me = *(int *)arg, out[OPEN] = { 0 };
	MPI_Request r[OPEN];
	MPI_Status s[OPEN];

	for (int i = 0; i < OPEN; i++)
		r[i] = MPI_REQUEST_NULL;
	for (int round = 0; round < baton.rounds; round++) {
		int message = round * THREADS + me, at = round % OPEN;

		finish(me % 2 ? WAIT : TEST, 1, &r[at], s);
		await_turn(message);
		out[at] = message;
		if (me % 4 == 3)
			MPI_Send(&message, 1, MPI_INT, 1, TAG, baton.comm);
		else
			MPI_Isend(&out[at], 1, MPI_INT, 1, TAG, baton.comm, &r[at]);
		hand_on(message);
	}
	finish(WAITALL, OPEN, r, s);
	return NULL;
}

/* Likewise with receives: the n-th that is posted gets the n-th message. */
static void *receive_in_turn(void *arg)
{
	int me = *(int *)arg, in;
	MPI_Request r;
	MPI_Status s;

	for (int round = 0; round < baton.rounds; round++) {
		int message = round * THREADS + me;

		await_turn(message);
		in = -1;
		MPI_Irecv(&in, 1, MPI_INT, me % 3 ? 0 : MPI_ANY_SOURCE, TAG, baton.comm, &r);
		hand_on(message);
		finish((enum way)(round % WAYS), 1, &r, &s);
		CHECK_STATUS(&s, 0, TAG, MPI_INT, 1);
		CHECK(in == message, "receive %d got message %d", message, in);
	}
	return NULL;
}

static void in_threads(void *(*fn)(void *))
{
	pthread_t threads[THREADS];
	int numbers[THREADS];

	atomic_store(&baton.turn, 0);
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		threads[i] = check_thread(fn, &numbers[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void receive_all(void)
{
	for (int i = 0; i < THREADS * baton.rounds; i++) {
		int in;
		MPI_Status s;

		MPI_Recv(&in, 1, MPI_INT, MPI_ANY_SOURCE, TAG, baton.comm, &s);
		CHECK(in == i, "message %d has come in place of %d", in, i);
	}
}

static void send_all(void)
{
	for (int i = 0; i < THREADS * baton.rounds; i++)
		MPI_Send(&i, 1, MPI_INT, 1, TAG, baton.comm);
}

static void batons(bool with_noise)
{
	struct noise noise;

	if (with_noise)
		noise_begin(&noise);
	if (check_rank == 0)
		in_threads(send_in_turn);
	else
		receive_all();
	check_ok("sends in turn", with_noise ? "beside noise" : "");
	if (check_rank == 0)
		send_all();
	else
		in_threads(receive_in_turn);
	check_ok("receives in turn", with_noise ? "beside noise" : "");
	if (check_rank == 0)
		in_threads(send_in_turn);
	else
		in_threads(receive_in_turn);
	check_ok("both in turn", with_noise ? "beside noise" : "");
	if (with_noise)
		noise_end(&noise);
}

/* ---- without an order ----------------------------------------------------------- */

static MPI_Comm loose;

/* Each message comes once, in whatever order. */
static void *send_loose(void *arg)
{
	int me = *(int *)arg, out[WINDOW];
	MPI_Request r[WINDOW];
	MPI_Status s[WINDOW];

	for (int i = 0; i < WINDOW; i++) {
		out[i] = me * WINDOW + i;
		MPI_Isend(&out[i], 1, MPI_INT, 1, TAG, loose, &r[i]);
	}
	finish(WAITALL, WINDOW, r, s);
	return NULL;
}

static void overtaking(void)
{
	bool seen[THREADS * WINDOW] = { false };
	MPI_Info info;

	MPI_Info_create(&info);
	MPI_Info_set(info, "mpi_assert_allow_overtaking", "true");
	MPI_Comm_dup_with_info(MPI_COMM_WORLD, info, &loose);
	MPI_Info_free(&info);
	if (check_rank == 0)
		in_threads(send_loose);
	for (int i = 0; i < THREADS * WINDOW && check_rank == 1; i++) {
		int in = -1;
		MPI_Status s;

		MPI_Recv(&in, 1, MPI_INT, 0, TAG, loose, &s);
		CHECK(in >= 0 && in < THREADS * WINDOW && !seen[in], "message %d came", in);
		seen[in] = true;
	}
	MPI_Comm_free(&loose);
	check_ok("mpi_assert_allow_overtaking", "");
}

static const struct check_case cases[] = {
	{ .name = "the order of one thread", .run = one_thread },
	{ .name = "the order of two tags", .run = two_tags },
};

int main(void)
{
	check_begin(60);
	check_cases(cases, COUNT_OF(cases), MPI_COMM_WORLD);
	MPI_Comm_dup(MPI_COMM_WORLD, &baton.comm);
	baton.rounds = check_scaled(50);
	batons(false);
	baton.rounds = check_scaled(20);
	batons(true);
	MPI_Comm_free(&baton.comm);
	overtaking();
	MPI_Finalize();
	return 0;
}
