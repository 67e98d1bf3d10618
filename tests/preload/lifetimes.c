/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ends before its message does: types, communicators, buffers, requests; the send modes,
 * persistent requests, cancelling, and the calls that send and receive in one.
 */
#include "check.h"

enum { TAG = 30, TAG_MEET = 39, SHORT = 6, LONG = 1 << 16, STRIDE = 2 };

static void meet(const struct place *p)
{
	MPI_Sendrecv(NULL, 0, MPI_INT, p->peer, TAG_MEET, NULL, 0, MPI_INT, p->peer, TAG_MEET,
	             p->comm, MPI_STATUS_IGNORE);
}

static int *ints(int n)
{
	int *at = malloc((size_t)n * sizeof *at);

	CHECK(at, "no memory");
	return at;
}

static void check_message(const MPI_Status *s, const struct place *p, int tag, int n)
{
	CHECK_STATUS(s, p->peer, tag, MPI_INT, n);
}

/* Every second int; the caller frees it. */
static MPI_Datatype every_second(int n)
{
	MPI_Datatype type;

	MPI_Type_vector(n, 1, STRIDE, MPI_INT, &type);
	MPI_Type_commit(&type);
	return type;
}

/* ---- what the program frees at once --------------------------------------- */

static void type_free(const struct place *p)
{
	for (int n = SHORT; n <= LONG; n += LONG - SHORT) {
		int *out = ints(n * STRIDE), *in = ints(n * STRIDE);
		MPI_Datatype to = every_second(n), from = every_second(n);
		MPI_Request r[2];
		MPI_Status s[2];

		for (int i = 0; i < n * STRIDE; i++) {
			out[i] = i + p->thread;
			in[i] = -1;
		}
		if (p->rank)
			meet(p);
		MPI_Irecv(in, 1, to, p->peer, TAG, p->comm, &r[0]);
		MPI_Type_free(&to);
		MPI_Isend(out, 1, from, p->peer, TAG, p->comm, &r[1]);
		MPI_Type_free(&from);
		if (!p->rank)
			meet(p);
		MPI_Waitall(2, r, s);
		check_message(&s[0], p, TAG, n);
		for (int i = 0; i < n * STRIDE; i++)
			CHECK_INT(in[i], i % STRIDE || i == n * STRIDE - 1 ? -1 : i + p->thread);
		free(in);
		free(out);
	}
}

static void comm_free(const struct place *p)
{
	for (int n = SHORT; n <= LONG; n += LONG - SHORT) {
		int *out = ints(n), *in = ints(n);
		MPI_Request r[2];
		MPI_Status s[2];
		MPI_Comm comm;

		memset(out, p->thread + 1, (size_t)n * sizeof *out);
		MPI_Comm_dup(p->comm, &comm);
		MPI_Irecv(in, n, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, comm, &r[0]);
		MPI_Isend(out, n, MPI_INT, p->peer, TAG, comm, &r[1]);
		MPI_Comm_free(&comm);
		CHECK(comm == MPI_COMM_NULL, "the freed communicator is left");
		MPI_Waitall(2, r, s);
		check_message(&s[0], p, TAG, n);
		CHECK(!memcmp(in, out, (size_t)n * sizeof *in), "other bytes");
		free(in);
		free(out);
	}
}

/* ---- send modes ------------------------------------------------------------ */

/* Buffer_detach waits until all in the buffer is sent; after it the buffer is the program's. */
static void buffered(const struct place *p)
{
	int *out = ints(LONG), *in = ints(LONG), room, size = 0;
	void *buffer, *got = NULL;
	MPI_Request r;
	MPI_Status s;

	MPI_Pack_size(LONG + 2 * SHORT, MPI_INT, p->comm, &room);
	room += 4 * MPI_BSEND_OVERHEAD;
	buffer = malloc((size_t)room);
	CHECK(buffer, "no memory");
	for (int sender = 0; sender < 2; sender++) {
		meet(p);
		if (p->rank == sender) {
			for (int i = 0; i < LONG; i++)
				out[i] = i;
			MPI_Buffer_attach(buffer, room);
			MPI_Bsend(out, SHORT, MPI_INT, p->peer, TAG, p->comm);
			memset(out, 0xff, SHORT * sizeof *out);
			for (int i = 0; i < SHORT; i++)
				out[i] = i;
			MPI_Ibsend(out, LONG, MPI_INT, p->peer, TAG + 1, p->comm, &r);
			MPI_Wait(&r, MPI_STATUS_IGNORE);
			memset(out, 0xff, LONG * sizeof *out);
			MPI_Buffer_detach(&got, &size);
			CHECK(got == buffer && size == room, "another buffer was detached");
			memset(buffer, 0xff, (size_t)room);
			continue;
		}
		check_sleep_us(500);
		for (int i = 0; i < 2; i++) {
			int n = i ? LONG : SHORT;

			MPI_Recv(in, LONG, MPI_INT, p->peer, TAG + i, p->comm, &s);
			check_message(&s, p, TAG + i, n);
			for (int e = 0; e < n; e++)
				CHECK_INT(in[e], e);
		}
	}
	meet(p);
	free(buffer);
	free(in);
	free(out);
}

/* A synchronous send ends when its receive is there, not before. */
static void synchronous(const struct place *p)
{
	int in = -1, out = 9, flag;
	MPI_Request r;
	MPI_Status s;

	for (int sender = 0; sender < 2; sender++) {
		if (p->rank == sender) {
			MPI_Issend(&out, 1, MPI_INT, p->peer, TAG, p->comm, &r);
			for (int i = 0; i < 50; i++) {
				MPI_Test(&r, &flag, MPI_STATUS_IGNORE);
				CHECK(!flag, "a synchronous send ends without a receive");
			}
			meet(p);
			MPI_Wait(&r, MPI_STATUS_IGNORE);
			MPI_Ssend(&out, 1, MPI_INT, p->peer, TAG, p->comm);
		} else {
			meet(p);
			for (int i = 0; i < 2; i++) {
				MPI_Recv(&in, 1, MPI_INT, p->peer, TAG, p->comm, &s);
				check_message(&s, p, TAG, 1);
				CHECK_INT(in, 9);
			}
		}
	}
}

struct blocked {
	const struct place *place;
	atomic_bool returned;
};

static void *send_blocked(void *arg)
{
	struct blocked *blocked = arg;
	const struct place *p = blocked->place;

	MPI_Ssend(NULL, 0, MPI_INT, p->peer, TAG + 1, p->comm);
	atomic_store(&blocked->returned, true);
	return NULL;
}

/* The same of the blocking call. */
static void synchronous_blocks(const struct place *p)
{
	struct blocked blocked = { .place = p };
	pthread_t thread = check_thread(send_blocked, &blocked);

	for (int i = 0; i < 20; i++) {
		int flag;

		MPI_Iprobe(p->peer, TAG, p->comm, &flag, MPI_STATUS_IGNORE);
		check_sleep_us(20);
		CHECK(!atomic_load(&blocked.returned), "Ssend returns without a receive");
	}
	meet(p); /* this peer has looked often enough */
	MPI_Recv(NULL, 0, MPI_INT, p->peer, TAG + 1, p->comm, MPI_STATUS_IGNORE);
	pthread_join(thread, NULL);
}

static void ready(const struct place *p)
{
	int in[2] = { -1, -1 }, out[2] = { 1, 2 };
	MPI_Request r[3];
	MPI_Status s[3];

	for (int i = 0; i < 2; i++)
		MPI_Irecv(&in[i], 1, MPI_INT, p->peer, TAG + i, p->comm, &r[i]);
	meet(p);
	MPI_Irsend(&out[0], 1, MPI_INT, p->peer, TAG, p->comm, &r[2]);
	MPI_Rsend(&out[1], 1, MPI_INT, p->peer, TAG + 1, p->comm);
	MPI_Waitall(3, r, s);
	for (int i = 0; i < 2; i++) {
		check_message(&s[i], p, TAG + i, 1);
		CHECK_INT(in[i], out[i]);
	}
}

/* ---- persistent requests ---------------------------------------------------- */

enum { PLAIN, BUFFERED, SYNCHRONOUS, READY, MODES };

static void persistent_round(const struct place *p, MPI_Request *r, int *in, int *out, int round)
{
	MPI_Status s[2 * MODES];
	MPI_Request was[2 * MODES];

	memcpy(was, r, sizeof was);
	for (int i = 0; i < MODES; i++) {
		in[i] = -1;
		out[i] = round * 100 + i;
	}
	MPI_Startall(MODES, r);
	meet(p); /* for the ready one */
	if (round % 2) {
		MPI_Startall(MODES, r + MODES);
	} else {
		for (int i = 0; i < MODES; i++)
			MPI_Start(&r[MODES + i]);
	}
	finish((enum way)(round % WAYS), 2 * MODES, r, s);
	CHECK(!memcmp(was, r, sizeof was), "a persistent handle has changed");
	for (int i = 0; i < MODES; i++) {
		check_message(&s[i], p, TAG + i, 1);
		CHECK_INT(in[i], round * 100 + i);
	}
}

static void persistent(const struct place *p)
{
	static char buffer[1000 + MPI_BSEND_OVERHEAD];
	int in[MODES], out[MODES], size;
	MPI_Request r[2 * MODES];
	void *got;

	MPI_Buffer_attach(buffer, sizeof buffer);
	for (int i = 0; i < MODES; i++)
		MPI_Recv_init(&in[i], 1, MPI_INT, p->peer, TAG + i, p->comm, &r[i]);
	MPI_Send_init(&out[0], 1, MPI_INT, p->peer, TAG + PLAIN, p->comm, &r[MODES + PLAIN]);
	MPI_Bsend_init(&out[1], 1, MPI_INT, p->peer, TAG + BUFFERED, p->comm, &r[MODES + BUFFERED]);
	MPI_Ssend_init(&out[2], 1, MPI_INT, p->peer, TAG + SYNCHRONOUS, p->comm,
	               &r[MODES + SYNCHRONOUS]);
	MPI_Rsend_init(&out[3], 1, MPI_INT, p->peer, TAG + READY, p->comm, &r[MODES + READY]);
	for (int round = 0; round < WAYS; round++)
		persistent_round(p, r, in, out, round);
	for (int i = 0; i < 2 * MODES; i++) {
		MPI_Request_free(&r[i]);
		CHECK(r[i] == MPI_REQUEST_NULL, "a freed handle is left");
	}
	meet(p);
	MPI_Buffer_detach(&got, &size);
}

/* ---- cancelling --------------------------------------------------------------- */

static bool was_cancelled(MPI_Request *r, MPI_Status *s)
{
	int flag = -1;

	check_forget(s, 1);
	MPI_Wait(r, s);
	MPI_Test_cancelled(s, &flag);
	CHECK(flag == 0 || flag == 1, "Test_cancelled says %d", flag);
	return flag;
}

static void cancel_receive(const struct place *p)
{
	int in = -1, out = 3;
	MPI_Request r, was;
	MPI_Status s;

	MPI_Irecv(&in, 1, MPI_INT, MPI_ANY_SOURCE, TAG, p->comm, &r);
	MPI_Cancel(&r);
	CHECK(was_cancelled(&r, &s), "a receive without a message is not cancelled");
	CHECK(r == MPI_REQUEST_NULL, "the handle is left");

	MPI_Recv_init(&in, 1, MPI_INT, p->peer, TAG, p->comm, &r);
	was = r;
	MPI_Start(&r);
	MPI_Cancel(&r);
	CHECK(was_cancelled(&r, &s), "a persistent receive without a message is not cancelled");
	meet(p);
	CHECK(r == was, "the persistent handle is not left");
	MPI_Start(&r);
	MPI_Send(&out, 1, MPI_INT, p->peer, TAG, p->comm);
	CHECK(!was_cancelled(&r, &s), "cancelled twice");
	check_message(&s, p, TAG, 1);
	CHECK_INT(in, 3);
	MPI_Request_free(&r);
	meet(p);

	/* Either it is cancelled and the message is for the next one, or it has the message. */
	for (int i = 0; i < 10; i++) {
		in = -1;
		MPI_Irecv(&in, 1, MPI_INT, p->peer, TAG, p->comm, &r);
		MPI_Send(&i, 1, MPI_INT, p->peer, TAG, p->comm);
		check_sleep_us(i * 5);
		MPI_Cancel(&r);
		if (was_cancelled(&r, &s)) {
			CHECK_INT(in, -1);
			MPI_Recv(&in, 1, MPI_INT, p->peer, TAG, p->comm, &s);
		}
		check_message(&s, p, TAG, 1);
		CHECK_INT(in, i);
	}
}

/* Whether a send is cancelled is up to MPI, but it is either that or received. */
static void cancel_send(const struct place *p)
{
	int *out = ints(LONG), *in = ints(LONG), cancelled[2] = { 0 };
	MPI_Request send, receive;
	MPI_Status s;

	memset(out, 5, LONG * sizeof *out);
	memset(in, 6, LONG * sizeof *in);
	MPI_Isend(out, LONG, MPI_INT, p->peer, TAG, p->comm, &send);
	MPI_Cancel(&send);
	meet(p);
	MPI_Irecv(in, LONG, MPI_INT, p->peer, TAG, p->comm, &receive);
	cancelled[0] = was_cancelled(&send, &s);
	CHECK(send == MPI_REQUEST_NULL, "the handle is left");
	MPI_Sendrecv(&cancelled[0], 1, MPI_INT, p->peer, TAG + 1, &cancelled[1], 1, MPI_INT,
	             p->peer, TAG + 1, p->comm, MPI_STATUS_IGNORE);
	if (cancelled[1])
		MPI_Cancel(&receive);
	CHECK_INT(was_cancelled(&receive, &s), cancelled[1]);
	if (!cancelled[1]) {
		check_message(&s, p, TAG, LONG);
		CHECK(!memcmp(in, out, LONG * sizeof *in), "other bytes");
	}
	free(in);
	free(out);
}

/* ---- send and receive in one --------------------------------------------------- */

static void sendrecv(const struct place *p)
{
	for (int n = SHORT; n <= LONG; n += LONG - SHORT) {
		int *a = ints(n * STRIDE), *b = ints(n * STRIDE);
		MPI_Datatype second = every_second(n);
		MPI_Status s;

		for (int i = 0; i < n * STRIDE; i++) {
			a[i] = 10 * i + p->rank;
			b[i] = -1;
		}
		/* packed there, spread here */
		check_forget(&s, 1);
		MPI_Sendrecv(a, n, MPI_INT, p->peer, TAG, b, 1, second, MPI_ANY_SOURCE, MPI_ANY_TAG,
		             p->comm, &s);
		check_message(&s, p, TAG, n);
		for (int i = 0; i < n * STRIDE - 1; i++)
			CHECK_INT(b[i], i % STRIDE ? -1 : 10 * (i / STRIDE) + p->peer);
		check_forget(&s, 1);
		MPI_Sendrecv_replace(a, n, MPI_INT, p->peer, TAG, p->peer, TAG, p->comm, &s);
		check_message(&s, p, TAG, n);
		for (int i = 0; i < n * STRIDE; i++)
			CHECK_INT(a[i], 10 * i + (i < n ? p->peer : p->rank));
		/* b had the peer's first n ints in every second place: now they are this rank's */
		check_forget(&s, 1);
		MPI_Sendrecv_replace(b, 1, second, p->peer, TAG, MPI_ANY_SOURCE, TAG, p->comm, &s);
		check_message(&s, p, TAG, n);
		for (int i = 0; i < n * STRIDE - 1; i++)
			CHECK_INT(b[i], i % STRIDE ? -1 : 10 * (i / STRIDE) + p->rank);
		MPI_Type_free(&second);
		free(a);
		free(b);
	}
}

/* MPI_COMM_SELF is common to all threads, so each has tags of its own there. */
static void self(const struct place *p)
{
	int in[3] = { -1, -1, -1 }, out[3] = { 1, 2, 3 }, tag = 10 * p->thread;
	MPI_Request r[4];
	MPI_Status s[4];

	for (int i = 0; i < 2; i++) {
		MPI_Irecv(&in[i], 1, MPI_INT, i ? 0 : MPI_ANY_SOURCE, tag + i, MPI_COMM_SELF,
		          &r[i]);
		MPI_Isend(&out[i], 1, MPI_INT, 0, tag + i, MPI_COMM_SELF, &r[2 + i]);
	}
	MPI_Sendrecv(&out[2], 1, MPI_INT, 0, tag + 2, &in[2], 1, MPI_INT, 0, tag + 2, MPI_COMM_SELF,
	             MPI_STATUS_IGNORE);
	MPI_Waitall(4, r, s);
	for (int i = 0; i < 2; i++)
		CHECK_STATUS(&s[i], 0, tag + i, MPI_INT, 1);
	for (int i = 0; i < 3; i++)
		CHECK_INT(in[i], out[i]);
}

/* ---- corners ---------------------------------------------------------------------- */

static void proc_null(const struct place *p)
{
	int in = 8, out = 9;
	MPI_Request r[2];
	MPI_Status s[2];

	MPI_Send(&out, 1, MPI_INT, MPI_PROC_NULL, TAG, p->comm);
	MPI_Ssend(&out, 1, MPI_INT, MPI_PROC_NULL, TAG, p->comm);
	check_forget(s, 2);
	MPI_Recv(&in, 1, MPI_INT, MPI_PROC_NULL, TAG, p->comm, s);
	CHECK_STATUS(s, MPI_PROC_NULL, MPI_ANY_TAG, MPI_INT, 0);
	check_forget(s, 2);
	MPI_Sendrecv(&out, 1, MPI_INT, MPI_PROC_NULL, TAG, &in, 1, MPI_INT, MPI_PROC_NULL, TAG,
	             p->comm, s);
	CHECK_STATUS(s, MPI_PROC_NULL, MPI_ANY_TAG, MPI_INT, 0);
	check_forget(s, 2);
	MPI_Irecv(&in, 1, MPI_INT, MPI_PROC_NULL, TAG, p->comm, &r[0]);
	MPI_Isend(&out, 1, MPI_INT, MPI_PROC_NULL, TAG, p->comm, &r[1]);
	MPI_Waitall(2, r, s);
	/* MPICH 4.0 writes nothing about where this came from: in a new process it says rank 0 */
#ifndef MPICH
	CHECK_STATUS(s, MPI_PROC_NULL, MPI_ANY_TAG, MPI_INT, 0);
#endif
	/* nor of a persistent one */
	MPI_Recv_init(&in, 1, MPI_INT, MPI_PROC_NULL, TAG, p->comm, &r[0]);
	MPI_Send_init(&out, 1, MPI_INT, MPI_PROC_NULL, TAG, p->comm, &r[1]);
	MPI_Startall(2, r);
	finish(WAITALL, 2, r, s);
	MPI_Request_free(&r[0]);
	MPI_Request_free(&r[1]);
	CHECK_INT(in, 8);
}

static void zero_counts(const struct place *p)
{
	MPI_Request r[2];
	MPI_Status s[2];

	check_forget(s, 2);
	MPI_Irecv(NULL, 0, MPI_BYTE, p->peer, TAG, p->comm, &r[0]);
	MPI_Isend(NULL, 0, MPI_BYTE, p->peer, TAG, p->comm, &r[1]);
	MPI_Waitall(2, r, s);
	check_message(s, p, TAG, 0);
	check_forget(s, 2);
	MPI_Irecv(NULL, 0, MPI_DOUBLE, p->peer, TAG, p->comm, &r[0]);
	MPI_Send(NULL, 0, MPI_DOUBLE, p->peer, TAG, p->comm);
	MPI_Wait(&r[0], s);
	check_message(s, p, TAG, 0);
}

/* Two ints anywhere, by their addresses. */
static MPI_Datatype absolute(int *a, int *b)
{
	MPI_Aint at[2];
	MPI_Datatype type;

	MPI_Get_address(a, &at[0]);
	MPI_Get_address(b, &at[1]);
	MPI_Type_create_hindexed_block(2, 1, at, MPI_INT, &type);
	MPI_Type_commit(&type);
	return type;
}

static void bottom(const struct place *p)
{
	int out[2] = { 1 + p->rank, 3 + p->rank }, *in = ints(2);
	MPI_Datatype from = absolute(&out[0], &out[1]), to = absolute(&in[1], &in[0]);
	MPI_Request r[2];
	MPI_Status s[2];

	MPI_Irecv(MPI_BOTTOM, 1, to, p->peer, TAG, p->comm, &r[0]);
	MPI_Isend(MPI_BOTTOM, 1, from, p->peer, TAG, p->comm, &r[1]);
	MPI_Type_free(&to);
	MPI_Waitall(2, r, s);
	check_message(&s[0], p, TAG, 2);
	CHECK_INT(in[1], 1 + p->peer);
	CHECK_INT(in[0], 3 + p->peer);
	MPI_Sendrecv_replace(MPI_BOTTOM, 1, from, p->peer, TAG, p->peer, TAG, p->comm, &s[0]);
	check_message(&s[0], p, TAG, 2);
	CHECK_INT(out[0], 1 + p->peer);
	CHECK_INT(out[1], 3 + p->peer);
	MPI_Type_free(&from);
	free(in);
}

#if MPI_VERSION >= 4
/* The calls whose counts are MPI_Count, each once. */
static void large_counts(const struct place *p)
{
	enum { FORMS = 8 };
	int in[FORMS], out[FORMS], here = p->rank, there = -1;
	MPI_Request r[2 * FORMS];
	MPI_Status s[2 * FORMS];
	MPI_Message message;
	MPI_Count count;

	for (int i = 0; i < FORMS; i++) {
		out[i] = 7 * i;
		in[i] = -1;
		if (i % 2)
			MPI_Irecv_c(&in[i], 1, MPI_INT, p->peer, TAG + i, p->comm, &r[i]);
		else
			MPI_Recv_init_c(&in[i], 1, MPI_INT, p->peer, TAG + i, p->comm, &r[i]);
		if (i % 2 == 0)
			MPI_Start(&r[i]);
		r[FORMS + i] = MPI_REQUEST_NULL;
	}
	meet(p);
	MPI_Isend_c(&out[0], 1, MPI_INT, p->peer, TAG, p->comm, &r[FORMS]);
	MPI_Issend_c(&out[1], 1, MPI_INT, p->peer, TAG + 1, p->comm, &r[FORMS + 1]);
	MPI_Irsend_c(&out[2], 1, MPI_INT, p->peer, TAG + 2, p->comm, &r[FORMS + 2]);
	MPI_Send_init_c(&out[3], 1, MPI_INT, p->peer, TAG + 3, p->comm, &r[FORMS + 3]);
	MPI_Ssend_init_c(&out[4], 1, MPI_INT, p->peer, TAG + 4, p->comm, &r[FORMS + 4]);
	MPI_Startall(2, &r[FORMS + 3]);
	MPI_Send_c(&out[5], 1, MPI_INT, p->peer, TAG + 5, p->comm);
	MPI_Ssend_c(&out[6], 1, MPI_INT, p->peer, TAG + 6, p->comm);
	MPI_Rsend_c(&out[7], 1, MPI_INT, p->peer, TAG + 7, p->comm);
	MPI_Waitall(2 * FORMS, r, s);
	for (int i = 0; i < FORMS; i++) {
		check_message(&s[i], p, TAG + i, 1);
		MPI_Get_count_c(&s[i], MPI_INT, &count);
		CHECK_INT(count, 1);
		CHECK_INT(in[i], 7 * i);
	}
	for (int i = 0; i < 2 * FORMS; i++)
		if (r[i] != MPI_REQUEST_NULL)
			MPI_Request_free(&r[i]);
	meet(p);
	MPI_Sendrecv_c(&here, 1, MPI_INT, p->peer, TAG, &there, 1, MPI_INT, p->peer, TAG, p->comm,
	               MPI_STATUS_IGNORE);
	CHECK_INT(there, p->peer);
	MPI_Sendrecv_replace_c(&here, 1, MPI_INT, p->peer, TAG, p->peer, TAG, p->comm,
	                       MPI_STATUS_IGNORE);
	CHECK_INT(here, p->peer);
	for (int i = 0; i < 3; i++) {
		MPI_Send_c(&i, 1, MPI_INT, p->peer, TAG, p->comm);
		if (i == 0) {
			MPI_Recv_c(&there, 1, MPI_INT, p->peer, TAG, p->comm, MPI_STATUS_IGNORE);
		} else if (MPI_Mprobe(p->peer, TAG, p->comm, &message, MPI_STATUS_IGNORE), i == 1) {
			MPI_Mrecv_c(&there, 1, MPI_INT, &message, MPI_STATUS_IGNORE);
		} else {
			MPI_Imrecv_c(&there, 1, MPI_INT, &message, &r[0]);
			MPI_Wait(&r[0], MPI_STATUS_IGNORE);
		}
		CHECK_INT(there, i);
	}
}

/* Sendrecv without blocking. */
static void isendrecv(const struct place *p)
{
	int out = p->rank, in = -1, both = p->rank;
	MPI_Request r[2];
	MPI_Status s[2];

	MPI_Isendrecv(&out, 1, MPI_INT, p->peer, TAG, &in, 1, MPI_INT, MPI_ANY_SOURCE, TAG, p->comm,
	              &r[0]);
	MPI_Isendrecv_replace(&both, 1, MPI_INT, p->peer, TAG + 1, p->peer, TAG + 1, p->comm,
	                      &r[1]);
	MPI_Waitall(2, r, s);
	CHECK_INT(in, p->peer);
	CHECK_INT(both, p->peer);
}
#endif

static const struct check_case cases[] = {
	{ .name = "Type_free at once", .run = type_free },
	{ .name = "Comm_free at once", .run = comm_free },
	{ .name = "Buffer_detach waits", .run = buffered, .single = true },
	{ .name = "synchronous sends", .run = synchronous },
	{ .name = "ready sends", .run = ready },
	{ .name = "persistent requests", .run = persistent, .single = true },
	{ .name = "Cancel of a receive", .run = cancel_receive },
	{ .name = "Cancel of a send", .run = cancel_send },
	{ .name = "Sendrecv", .run = sendrecv },
	{ .name = "MPI_COMM_SELF", .run = self },
	{ .name = "MPI_PROC_NULL", .run = proc_null },
	{ .name = "counts of zero", .run = zero_counts },
	{ .name = "MPI_BOTTOM", .run = bottom },
#if MPI_VERSION >= 4
	{ .name = "large counts", .run = large_counts },
	{ .name = "Isendrecv", .run = isendrecv },
#endif
	/* from here on there are threads */
	{ .name = "Ssend waits for its receive", .run = synchronous_blocks },
};

int main(void)
{
	check_begin(60);
	check_cases(cases, COUNT_OF(cases), MPI_COMM_WORLD);
	MPI_Finalize();
	return 0;
}
