/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wait and Test in all forms, over requests of all kinds mixed: null, inactive, persistent,
 * generalized, of a collective, sends and receives. Which have ended, their statuses, and what
 * becomes of the handles.
 */
#include "check.h"

enum { TAG = 10, GREQ_COUNT = 7, GREQ_SOURCE = 3, GREQ_TAG = 77 };

/* ---- generalized requests ---------------------------------------------- */

struct general {
	MPI_Request request;
	pthread_t thread;
	atomic_int queried, freed;
};

static int general_query(void *arg, MPI_Status *status)
{
	struct general *general = arg;

	atomic_fetch_add(&general->queried, 1);
	MPI_Status_set_elements(status, MPI_INT, GREQ_COUNT);
	MPI_Status_set_cancelled(status, 0);
	status->MPI_SOURCE = GREQ_SOURCE;
	status->MPI_TAG = GREQ_TAG;
	return MPI_SUCCESS;
}

static int general_free(void *arg)
{
	atomic_fetch_add(&((struct general *)arg)->freed, 1);
	return MPI_SUCCESS;
}

static int general_cancel(void *arg, int complete)
{
	(void)arg;
	(void)complete;
	return MPI_SUCCESS;
}

static void *general_complete(void *arg)
{
	check_sleep_us(300);
	MPI_Grequest_complete(((struct general *)arg)->request);
	return NULL;
}

/* ---- nothing to wait for ------------------------------------------------ */

/* Each form returns at once, and says so. The handle stays as it is. */
static void check_nothing(MPI_Request handle)
{
	MPI_Request r[2] = { handle, handle };
	MPI_Status s[2];
	int flag = 0, index = 0, n = 0, which[2];

	check_forget(s, 2);
	MPI_Wait(&r[0], &s[0]);
	CHECK_EMPTY(&s[0]);
	check_forget(s, 2);
	MPI_Test(&r[0], &flag, &s[0]);
	CHECK_INT(flag, 1);
	CHECK_EMPTY(&s[0]);
	check_forget(s, 2);
	MPI_Waitall(2, r, s);
	CHECK_EMPTY(&s[0]);
	CHECK_EMPTY(&s[1]);
	check_forget(s, 2);
	MPI_Testall(2, r, (flag = 0, &flag), s);
	CHECK_INT(flag, 1);
	CHECK_EMPTY(&s[1]);
	check_forget(s, 2);
	MPI_Waitany(2, r, &index, &s[0]);
	CHECK_INT(index, MPI_UNDEFINED);
	CHECK_EMPTY(&s[0]);
	check_forget(s, 2);
	MPI_Testany(2, r, (index = 0, &index), (flag = 0, &flag), &s[0]);
	CHECK_INT(flag, 1);
	CHECK_INT(index, MPI_UNDEFINED);
	CHECK_EMPTY_OR_FORGOTTEN(&s[0]);
	MPI_Waitsome(2, r, &n, which, s);
	CHECK_INT(n, MPI_UNDEFINED);
	MPI_Testsome(2, r, (n = 0, &n), which, s);
	CHECK_INT(n, MPI_UNDEFINED);
	for (enum way way = 0; way < WAYS; way++)
		finish(way, 2, r, MPI_STATUSES_IGNORE);
	CHECK(r[0] == handle && r[1] == handle, "a handle has changed");
}

static void null(const struct place *p)
{
	(void)p;
	check_nothing(MPI_REQUEST_NULL);
}

static void inactive(const struct place *p)
{
	int in = 0, out = 5;
	MPI_Request receive, send;
	MPI_Status status;

	MPI_Recv_init(&in, 1, MPI_INT, p->peer, TAG, p->comm, &receive);
	MPI_Ssend_init(&out, 1, MPI_INT, p->peer, TAG, p->comm, &send);
	check_nothing(receive);
	check_nothing(send);
	MPI_Start(&receive);
	MPI_Start(&send);
	MPI_Wait(&receive, &status);
	CHECK_STATUS(&status, p->peer, TAG, MPI_INT, 1);
	CHECK_INT(in, 5);
	check_nothing(receive);
	MPI_Wait(&send, MPI_STATUS_IGNORE);
	check_nothing(send);
	MPI_Request_free(&receive);
	MPI_Request_free(&send);
	CHECK(receive == MPI_REQUEST_NULL && send == MPI_REQUEST_NULL, "a freed handle stays");
}

static void zero_length(const struct place *p)
{
	MPI_Request r[1] = { MPI_REQUEST_NULL };
	MPI_Status s[1];
	int flag = 0, index = 0, n = 0, which[1];

	(void)p;
	MPI_Waitall(0, r, s);
	MPI_Testall(0, r, &flag, s);
	CHECK_INT(flag, 1);
	MPI_Waitany(0, r, &index, s);
	CHECK_INT(index, MPI_UNDEFINED);
	MPI_Testany(0, r, (index = 0, &index), (flag = 0, &flag), s);
	CHECK_INT(flag, 1);
	CHECK_INT(index, MPI_UNDEFINED);
	MPI_Waitsome(0, r, &n, which, s);
	CHECK_INT(n, MPI_UNDEFINED);
	MPI_Testsome(0, r, (n = 0, &n), which, s);
	CHECK_INT(n, MPI_UNDEFINED);
}

/* ---- all kinds mixed ----------------------------------------------------- */

enum { NONE, INACTIVE, AGAIN, STARTED, GENERAL, BARRIER, RECEIVE, SEND, KINDS, MIXED = 2 * KINDS };

struct mixed {
	MPI_Request r[MIXED];
	int in[MIXED], out[MIXED];
	struct general general[2];
};

/* Each kind twice; AGAIN is the inactive handle of the entry before it once more. Waitall of MPICH
 * 4.0 does not take a generalized request that has not ended beside a null one, so `early` ends it
 * before. */
static void mixed_begin(struct mixed *m, const struct place *p, bool early)
{
	for (int i = 0; i < MIXED; i++) {
		MPI_Request *r = &m->r[i];
		struct general *general = &m->general[i / KINDS];

		m->in[i] = -1;
		m->out[i] = 100 * p->round + i;
		switch (i % KINDS) {
		case NONE:
			*r = MPI_REQUEST_NULL;
			break;
		case INACTIVE:
			MPI_Recv_init(&m->in[i], 1, MPI_INT, p->peer, 99, p->comm, r);
			break;
		case AGAIN:
			*r = m->r[i - 1];
			break;
		case STARTED:
			MPI_Recv_init(&m->in[i], 1, MPI_INT, p->peer, TAG + i, p->comm, r);
			MPI_Start(r);
			break;
		case GENERAL:
			atomic_store(&general->queried, 0);
			atomic_store(&general->freed, 0);
			MPI_Grequest_start(general_query, general_free, general_cancel, general, r);
			general->request = *r;
			if (early)
				MPI_Grequest_complete(*r);
			else
				general->thread = check_thread(general_complete, general);
			break;
		case BARRIER:
			MPI_Ibarrier(p->comm, r);
			break;
		case RECEIVE:
			MPI_Irecv(&m->in[i], 1, MPI_INT, MPI_ANY_SOURCE, TAG + i, p->comm, r);
			break;
		case SEND:
			MPI_Isend(&m->out[i], 1, MPI_INT, p->peer, TAG + i - 1, p->comm, r);
			break;
		}
	}
	for (int i = STARTED; i < MIXED; i += KINDS)
		MPI_Send(&m->out[i], 1, MPI_INT, p->peer, TAG + i, p->comm);
}

static void mixed_check(struct mixed *m, const struct place *p, enum way way, MPI_Status *s)
{
	for (int i = 0; i < MIXED; i++) {
		int kind = i % KINDS;
		bool stays = kind == INACTIVE || kind == AGAIN || kind == STARTED;

		CHECK((m->r[i] != MPI_REQUEST_NULL) == stays, "way %d: the handle of kind %d",
		      (int)way, kind);
		if (kind == RECEIVE)
			CHECK_INT(m->in[i], 100 * p->round + i + 1);
		else
			CHECK_INT(m->in[i], kind == STARTED ? 100 * p->round + i : -1);
		if (kind == GENERAL) {
			CHECK_INT(atomic_load(&m->general[i / KINDS].queried) > 0, 1);
			CHECK_INT(atomic_load(&m->general[i / KINDS].freed), 1);
		}
		if (!s)
			continue;
		if (kind == RECEIVE || kind == STARTED)
			CHECK_STATUS(&s[i], p->peer, TAG + i, MPI_INT, 1);
		else if (kind == GENERAL)
			CHECK_STATUS(&s[i], GREQ_SOURCE, GREQ_TAG, MPI_INT, GREQ_COUNT);
		else if (kind <= AGAIN && way_has_empty(way))
			CHECK_EMPTY(&s[i]);
	}
}

static void mixed(const struct place *p)
{
	struct mixed m;
	MPI_Status s[MIXED];

	for (enum way way = 0; way < WAYS; way++) {
		bool ignore = (p->round + (int)way) % 2, early = way == WAITALL;

		mixed_begin(&m, p, early);
		check_forget(s, MIXED);
		finish(way, MIXED, m.r, ignore ? MPI_STATUSES_IGNORE : s);
		for (int i = 0; i < 2 && !early; i++)
			pthread_join(m.general[i].thread, NULL);
		mixed_check(&m, p, way, ignore ? NULL : s);
		for (int half = 0; half < MIXED; half += KINDS) {
			MPI_Request_free(&m.r[half + INACTIVE]);
			MPI_Request_free(&m.r[half + STARTED]);
		}
	}
}

/* A Waitall sleeps until another thread ends the generalized request. */
static void waitall_general(const struct place *p)
{
	struct general general = { .request = MPI_REQUEST_NULL };
	int in = -1, out = p->round;
	MPI_Request r[3];
	MPI_Status s[3];

	MPI_Grequest_start(general_query, general_free, general_cancel, &general, &r[1]);
	general.request = r[1];
	MPI_Irecv(&in, 1, MPI_INT, p->peer, TAG, p->comm, &r[0]);
	MPI_Isend(&out, 1, MPI_INT, p->peer, TAG, p->comm, &r[2]);
	general.thread = check_thread(general_complete, &general);
	finish(WAITALL, 3, r, s);
	pthread_join(general.thread, NULL);
	CHECK_STATUS(&s[0], p->peer, TAG, MPI_INT, 1);
	CHECK_STATUS(&s[1], GREQ_SOURCE, GREQ_TAG, MPI_INT, GREQ_COUNT);
	CHECK_INT(in, p->round);
	CHECK_INT(atomic_load(&general.freed), 1);
	for (int i = 0; i < 3; i++)
		CHECK(r[i] == MPI_REQUEST_NULL, "a handle is left");
}

/* More than any array on a stack, in an order that is not the one of the messages. */
static void many(const struct place *p)
{
	enum { PAIRS = CHECK_ARRAY / 2 };
	MPI_Request r[CHECK_ARRAY];
	MPI_Status s[CHECK_ARRAY];
	int in[PAIRS], out[PAIRS];

	for (enum way way = 0; way < WAYS; way++) {
		for (int i = 0; i < PAIRS; i++) {
			int tag = i * 7 % PAIRS;

			out[i] = i + 1000 * (int)way;
			in[tag] = -1;
			MPI_Irecv(&in[tag], 1, MPI_INT, p->peer, tag, p->comm, &r[tag]);
			MPI_Isend(&out[i], 1, MPI_INT, p->peer, i, p->comm, &r[PAIRS + i]);
		}
		finish(way, CHECK_ARRAY, r, s);
		for (int i = 0; i < PAIRS; i++) {
			CHECK(r[i] == MPI_REQUEST_NULL && r[PAIRS + i] == MPI_REQUEST_NULL,
			      "a handle is left");
			CHECK_INT(in[i], i + 1000 * (int)way);
			CHECK_STATUS(&s[i], p->peer, i, MPI_INT, 1);
		}
	}
}

/* ---- one that has ended, one that has not ---------------------------------- */

/* Two receives; the first message comes at once, the second when it is asked for. */
struct halves {
	MPI_Request r[2], was[2];
	int in[2];
};

static void halves_begin(struct halves *h, const struct place *p)
{
	int out = 50;

	h->in[0] = h->in[1] = -1;
	for (int i = 0; i < 2; i++) {
		MPI_Irecv(&h->in[i], 1, MPI_INT, p->peer, TAG + i, p->comm, &h->r[i]);
		h->was[i] = h->r[i];
	}
	MPI_Send(&out, 1, MPI_INT, p->peer, TAG, p->comm);
}

static void halves_ask(const struct place *p)
{
	int out = 51;

	/* the peer must not have it before it wants it */
	MPI_Sendrecv(NULL, 0, MPI_INT, p->peer, TAG + 5, NULL, 0, MPI_INT, p->peer, TAG + 5,
	             p->comm, MPI_STATUS_IGNORE);
	MPI_Send(&out, 1, MPI_INT, p->peer, TAG + 1, p->comm);
}

static void testall_all_or_nothing(const struct place *p)
{
	struct halves h;
	MPI_Status s[2];
	int flag = 0;

	halves_begin(&h, p);
	while (MPI_Request_get_status(h.r[0], &flag, &s[0]), !flag)
		sched_yield();
	CHECK_INT(h.in[0], 50);
	for (int i = 0; i < 50; i++) {
		MPI_Testall(2, h.r, &flag, i % 2 ? MPI_STATUSES_IGNORE : s);
		CHECK_INT(flag, 0);
		CHECK(h.r[0] == h.was[0] && h.r[1] == h.was[1], "Testall took one of two");
	}
	halves_ask(p);
	finish(TESTALL, 2, h.r, s);
	for (int i = 0; i < 2; i++) {
		CHECK(h.r[i] == MPI_REQUEST_NULL, "Testall left a handle");
		CHECK_INT(h.in[i], 50 + i);
		CHECK_STATUS(&s[i], p->peer, TAG + i, MPI_INT, 1);
	}
}

/* Of the two, only the one that has ended is found. */
static void only_what_ended(const struct place *p)
{
	for (enum way way = WAITANY; way < WAYS; way++) {
		struct halves h;
		MPI_Status s[2];
		int which[2], some;

		halves_begin(&h, p);
		while ((some = finish_some(way, 2, h.r, which, s)) == 0)
			sched_yield();
		CHECK_INT(some, 1);
		CHECK_INT(which[0], 0);
		CHECK_STATUS(&s[0], p->peer, TAG, MPI_INT, 1);
		CHECK_INT(h.in[0], 50);
		CHECK(h.r[0] == MPI_REQUEST_NULL && h.r[1] == h.was[1], "the handles");
		if (way == TESTANY || way == TESTSOME)
			for (int i = 0; i < 20; i++)
				CHECK_INT(finish_some(way, 2, h.r, which, s), 0);
		halves_ask(p);
		while ((some = finish_some(way, 2, h.r, which, s)) == 0)
			sched_yield();
		CHECK_INT(some, 1);
		CHECK_INT(which[0], 1);
		CHECK_STATUS(&s[0], p->peer, TAG + 1, MPI_INT, 1);
		CHECK_INT(h.in[1], 51);
		CHECK_INT(finish_some(way, 2, h.r, which, s), MPI_UNDEFINED);
	}
}

static void get_status(const struct place *p)
{
	MPI_Request r = MPI_REQUEST_NULL, was;
	MPI_Status s;
	int flag = 0, in = -1, out = 6;

	check_forget(&s, 1);
	MPI_Request_get_status(r, &flag, &s);
	CHECK_INT(flag, 1);
	CHECK_EMPTY(&s);
	MPI_Recv_init(&in, 1, MPI_INT, p->peer, TAG, p->comm, &r);
	check_forget(&s, 1);
	MPI_Request_get_status(r, (flag = 0, &flag), &s);
	CHECK_INT(flag, 1);
	CHECK_EMPTY(&s);
	MPI_Request_free(&r);

	MPI_Irecv(&in, 1, MPI_INT, MPI_ANY_SOURCE, TAG, p->comm, &r);
	was = r;
	for (int i = 0; i < 20; i++) {
		MPI_Request_get_status(r, &flag, MPI_STATUS_IGNORE);
		CHECK_INT(flag, 0);
	}
	MPI_Sendrecv(&out, 1, MPI_INT, p->peer, TAG + 1, &out, 1, MPI_INT, p->peer, TAG + 1,
	             p->comm, MPI_STATUS_IGNORE);
	MPI_Send(&out, 1, MPI_INT, p->peer, TAG, p->comm);
	while (MPI_Request_get_status(r, &flag, &s), !flag)
		sched_yield();
	for (int i = 0; i < 3; i++) {
		check_forget(&s, 1);
		MPI_Request_get_status(r, &flag, &s);
		CHECK_INT(flag, 1);
		CHECK_STATUS(&s, p->peer, TAG, MPI_INT, 1);
		CHECK(r == was, "the handle has changed");
	}
	CHECK_INT(in, 6);
	check_forget(&s, 1);
	MPI_Wait(&r, &s);
	CHECK_STATUS(&s, p->peer, TAG, MPI_INT, 1);
	CHECK(r == MPI_REQUEST_NULL, "the handle is left");
}

/* A send that is freed at once is delivered all the same; also one that MPI cannot copy. */
static void free_active_send(const struct place *p)
{
	enum { SHORT = 8, LONG = 1 << 17 };
	int *out = malloc(2 * LONG * sizeof *out), *in = malloc(LONG * sizeof *in);

	CHECK(in && out, "no memory");
	for (int i = 0; i < 2 * LONG; i++)
		out[i] = i ^ p->thread;
	for (int i = 0; i < 2; i++) {
		int n = i ? LONG : SHORT;
		MPI_Request r;
		MPI_Status s;

		MPI_Isend(out + i * LONG, n, MPI_INT, p->peer, TAG + i, p->comm, &r);
		MPI_Request_free(&r);
		CHECK(r == MPI_REQUEST_NULL, "the freed handle is left");
		MPI_Recv(in, LONG, MPI_INT, p->peer, TAG + i, p->comm, &s);
		CHECK_STATUS(&s, p->peer, TAG + i, MPI_INT, n);
		for (int e = 0; e < n; e++)
			CHECK_INT(in[e], (i * LONG + e) ^ p->thread);
	}
	/* the peer has both, so they may be written again */
	MPI_Barrier(p->comm);
	free(in);
	free(out);
}

static const struct check_case cases[] = {
	{ .name = "null", .run = null },
	{ .name = "inactive", .run = inactive },
	{ .name = "zero length", .run = zero_length },
	{ .name = "many requests", .run = many },
	{ .name = "Testall: all or nothing", .run = testall_all_or_nothing },
	{ .name = "only what has ended", .run = only_what_ended },
	{ .name = "Request_get_status", .run = get_status },
	{ .name = "Request_free of an active send", .run = free_active_send },
	/* from here on there are threads */
	{ .name = "all kinds mixed", .run = mixed },
	{ .name = "Waitall of a generalized request", .run = waitall_general },
};

int main(void)
{
	check_begin(60);
	check_cases(cases, COUNT_OF(cases), MPI_COMM_WORLD);
	MPI_Finalize();
	return 0;
}
