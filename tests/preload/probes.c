/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes: what they see, what they must not see, and that a matched message belongs to one thread.
 */
#include "check.h"

enum { TAG = 20, TAG_ASK = 29, BURST = 12 };

/* The peer and this thread are both here. */
static void meet(const struct place *p)
{
	MPI_Sendrecv(NULL, 0, MPI_INT, p->peer, TAG_ASK, NULL, 0, MPI_INT, p->peer, TAG_ASK,
	             p->comm, MPI_STATUS_IGNORE);
}

/* n ints of which the first is `first`, from the peer. */
static void receive(const struct place *p, int tag, int n, int first)
{
	int in[BURST] = { 0 };
	MPI_Status s;

	MPI_Recv(in, BURST, MPI_INT, p->peer, tag, p->comm, &s);
	CHECK_STATUS(&s, p->peer, tag, MPI_INT, n);
	CHECK_INT(in[0], first);
}

static void iprobe(const struct place *p)
{
	int flag = 1, out[BURST] = { 31 };
	MPI_Status s;

	for (int i = 0; i < 20; i++) {
		MPI_Iprobe(MPI_ANY_SOURCE, TAG, p->comm, &flag, i % 2 ? MPI_STATUS_IGNORE : &s);
		CHECK_INT(flag, 0);
	}
	meet(p);
	MPI_Send(out, 3, MPI_INT, p->peer, TAG, p->comm);
	check_forget(&s, 1);
	while (MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, p->comm, &flag, &s), !flag)
		sched_yield();
	CHECK_STATUS(&s, p->peer, TAG, MPI_INT, 3);
	/* it is still there */
	check_forget(&s, 1);
	MPI_Iprobe(p->peer, TAG, p->comm, &flag, &s);
	CHECK_INT(flag, 1);
	CHECK_STATUS(&s, p->peer, TAG, MPI_INT, 3);
	MPI_Iprobe(p->peer, TAG + 1, p->comm, &flag, &s);
	CHECK_INT(flag, 0);
	receive(p, TAG, 3, 31);
	MPI_Iprobe(MPI_ANY_SOURCE, TAG, p->comm, &flag, &s);
	CHECK_INT(flag, 0);
}

/* One rank waits in Probe until the other sends; the first of several is seen. */
static void probe(const struct place *p)
{
	MPI_Status s;
	int out[BURST];

	for (int sender = 0; sender < 2; sender++) {
		meet(p);
		if (p->rank == sender) {
			check_sleep_us(300);
			for (int i = 0; i < BURST; i++) {
				out[0] = i;
				MPI_Send(out, i + 1, MPI_INT, p->peer, TAG + i % 3, p->comm);
			}
			continue;
		}
		for (int i = 0; i < BURST; i++) {
			bool any = i % 2;

			check_forget(&s, 1);
			MPI_Probe(any ? MPI_ANY_SOURCE : p->peer, any ? MPI_ANY_TAG : TAG + i % 3,
			          p->comm, i == 5 ? MPI_STATUS_IGNORE : &s);
			if (i != 5)
				CHECK_STATUS(&s, p->peer, TAG + i % 3, MPI_INT, i + 1);
			receive(p, TAG + i % 3, i + 1, i);
		}
	}
}

/* A receive that was posted takes the only message of its tag, whether it came before or after. */
static void taken(const struct place *p)
{
	for (int i = 0; i < BURST; i++) {
		int in = -1, out = i, flag;
		MPI_Message message;
		MPI_Request r;

		if ((i + p->rank) % 2)
			check_sleep_us(50);
		MPI_Send(&out, 1, MPI_INT, p->peer, TAG, p->comm);
		MPI_Irecv(&in, 1, MPI_INT, MPI_ANY_SOURCE, TAG, p->comm, &r);
		for (int again = 0; again < 3; again++) {
			MPI_Iprobe(p->peer, TAG, p->comm, &flag, MPI_STATUS_IGNORE);
			CHECK(!flag, "a probe sees what a receive has taken");
			MPI_Improbe(MPI_ANY_SOURCE, TAG, p->comm, &flag, &message,
			            MPI_STATUS_IGNORE);
			CHECK(!flag, "a matched probe takes what a receive has taken");
		}
		MPI_Wait(&r, MPI_STATUS_IGNORE);
		CHECK_INT(in, i);
		meet(p);
	}
}

/* The second message is seen once the first is taken by a receive that was posted before. */
static void second_seen(const struct place *p)
{
	int first = -1, out[BURST] = { 0 };
	MPI_Request r;
	MPI_Status s;

	meet(p);
	for (int i = 1; i <= 2; i++) {
		out[0] = i;
		MPI_Send(out, i, MPI_INT, p->peer, TAG, p->comm);
	}
	MPI_Irecv(&first, 1, MPI_INT, p->peer, TAG, p->comm, &r);
	check_forget(&s, 1);
	MPI_Probe(p->peer, TAG, p->comm, &s);
	CHECK_STATUS(&s, p->peer, TAG, MPI_INT, 2);
	receive(p, TAG, 2, 2);
	MPI_Wait(&r, MPI_STATUS_IGNORE);
	CHECK_INT(first, 1);
}

/* A message that was matched is not there any more for others. */
static void matched(const struct place *p)
{
	for (int form = 0; form < 4; form++) {
		int out[BURST] = { 0 }, in[BURST], flag = 0;
		MPI_Message message = MPI_MESSAGE_NULL;
		MPI_Request r;
		MPI_Status s;

		MPI_Improbe(MPI_ANY_SOURCE, TAG, p->comm, &flag, &message, &s);
		CHECK_INT(flag, 0);
		meet(p);
		for (int i = 1; i <= 2; i++) {
			out[0] = i;
			MPI_Send(out, i, MPI_INT, p->peer, TAG, p->comm);
		}
		check_forget(&s, 1);
		if (form < 2)
			MPI_Mprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, p->comm, &message, &s);
		else
			while (MPI_Improbe(p->peer, TAG, p->comm, &flag, &message, &s), !flag)
				sched_yield();
		CHECK_STATUS(&s, p->peer, TAG, MPI_INT, 1);
		CHECK(message != MPI_MESSAGE_NULL && message != MPI_MESSAGE_NO_PROC, "no message");
		receive(p, TAG, 2, 2);
		check_forget(&s, 1);
		if (form % 2) {
			MPI_Mrecv(in, BURST, MPI_INT, &message, &s);
		} else {
			MPI_Imrecv(in, BURST, MPI_INT, &message, &r);
			MPI_Wait(&r, &s);
		}
		CHECK(message == MPI_MESSAGE_NULL, "the message is left");
		CHECK_STATUS(&s, p->peer, TAG, MPI_INT, 1);
		CHECK_INT(in[0], 1);
	}
}

struct taker {
	const struct place *place;
	atomic_int *seen;
};

/* Half of the messages; which half is up to MPI. */
static void *take_half(void *arg)
{
	const struct taker *taker = arg;
	const struct place *p = taker->place;

	for (int i = 0; i < BURST; i++) {
		MPI_Message message;
		MPI_Status s;
		int in = -1, flag;

		if (i % 2)
			MPI_Mprobe(p->peer, TAG, p->comm, &message, &s);
		else
			while (MPI_Improbe(MPI_ANY_SOURCE, TAG, p->comm, &flag, &message, &s),
			       !flag)
				sched_yield();
		MPI_Mrecv(&in, 1, MPI_INT, &message, &s);
		CHECK(in >= 0 && in < 2 * BURST, "it got %d", in);
		CHECK_INT(atomic_fetch_add(&taker->seen[in], 1), 0);
	}
	return NULL;
}

static void two_threads(const struct place *p)
{
	atomic_int seen[2 * BURST];
	struct taker taker = { p, seen };
	pthread_t other;

	for (int i = 0; i < 2 * BURST; i++)
		atomic_init(&seen[i], 0);
	other = check_thread(take_half, &taker);
	for (int i = 0; i < 2 * BURST; i++)
		MPI_Send(&i, 1, MPI_INT, p->peer, TAG, p->comm);
	take_half(&taker);
	pthread_join(other, NULL);
	for (int i = 0; i < 2 * BURST; i++)
		CHECK_INT(atomic_load(&seen[i]), 1);
	meet(p);
}

static void proc_null(const struct place *p)
{
	MPI_Message message = MPI_MESSAGE_NULL;
	int flag = 0, in = 8;
	MPI_Request r;
	MPI_Status s;

	check_forget(&s, 1);
	MPI_Probe(MPI_PROC_NULL, TAG, p->comm, &s);
	CHECK_STATUS(&s, MPI_PROC_NULL, MPI_ANY_TAG, MPI_INT, 0);
	check_forget(&s, 1);
	MPI_Iprobe(MPI_PROC_NULL, TAG, p->comm, &flag, &s);
	CHECK_INT(flag, 1);
	CHECK_STATUS(&s, MPI_PROC_NULL, MPI_ANY_TAG, MPI_INT, 0);
	check_forget(&s, 1);
	MPI_Mprobe(MPI_PROC_NULL, TAG, p->comm, &message, &s);
	CHECK(message == MPI_MESSAGE_NO_PROC, "no MPI_MESSAGE_NO_PROC");
	CHECK_STATUS(&s, MPI_PROC_NULL, MPI_ANY_TAG, MPI_INT, 0);
	check_forget(&s, 1);
	MPI_Mrecv(&in, 1, MPI_INT, &message, &s);
	CHECK(message == MPI_MESSAGE_NULL, "the message is left");
	CHECK_STATUS(&s, MPI_PROC_NULL, MPI_ANY_TAG, MPI_INT, 0);
	MPI_Improbe(MPI_PROC_NULL, TAG, p->comm, (flag = 0, &flag), &message, &s);
	CHECK_INT(flag, 1);
	CHECK(message == MPI_MESSAGE_NO_PROC, "no MPI_MESSAGE_NO_PROC");
	MPI_Imrecv(&in, 1, MPI_INT, &message, &r);
	CHECK(message == MPI_MESSAGE_NULL, "the message is left");
	check_forget(&s, 1);
	MPI_Wait(&r, &s);
	CHECK_STATUS(&s, MPI_PROC_NULL, MPI_ANY_TAG, MPI_INT, 0);
	CHECK_INT(in, 8);
}

static const struct check_case cases[] = {
	{ .name = "Iprobe", .run = iprobe },
	{ .name = "Probe", .run = probe },
	{ .name = "a receive that was posted comes before a probe", .run = taken },
	{ .name = "a probe sees what comes after it", .run = second_seen },
	{ .name = "matched probes", .run = matched },
	{ .name = "probes of MPI_PROC_NULL", .run = proc_null },
	/* from here on there are threads */
	{ .name = "two threads probe, two messages", .run = two_threads },
};

int main(void)
{
	check_begin(60);
	check_cases(cases, COUNT_OF(cases), MPI_COMM_WORLD);
	MPI_Finalize();
	return 0;
}
