/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: the same classes as MPI's own functions give, at the same call, in the same thread.
 * `errors fatal`: an error on a communicator that has MPI_ERRORS_ARE_FATAL ends the job.
 */
#include "check.h"

enum { TAG = 40, TAG_MEET = 49, FEW = 2, MORE = 5, LONG = 1 << 16 };

static void meet(const struct place *p)
{
	MPI_Sendrecv(NULL, 0, MPI_INT, p->peer, TAG_MEET, NULL, 0, MPI_INT, p->peer, TAG_MEET,
	             p->comm, MPI_STATUS_IGNORE);
}

static int class_of(int code)
{
	int class = -1;

	PMPI_Error_class(code, &class);
	return class;
}

#define CHECK_CLASS(code, class) CHECK_INT(class_of(code), class)

static void errors_return(const struct place *p)
{
	MPI_Comm_set_errhandler(p->comm, MPI_ERRORS_RETURN);
}

/* ---- messages that are too long ------------------------------------------- */

static int out[LONG];
#ifdef OPEN_MPI
enum { LONGEST = MORE }; /* of a long one, Wait of Open MPI 4.1 does not say so */
#else
enum { LONGEST = LONG };
#endif

static void truncated(const struct place *p)
{
	int in[FEW], flag;
	MPI_Request r;
	MPI_Message message;

	errors_return(p);
	for (int n = MORE; n <= LONGEST; n += LONG - MORE) {
		MPI_Isend(out, n, MPI_INT, p->peer, TAG, p->comm, &r);
		CHECK_CLASS(MPI_Recv(in, FEW, MPI_INT, p->peer, TAG, p->comm, MPI_STATUS_IGNORE),
		            MPI_ERR_TRUNCATE);
		finish(WAIT, 1, &r, MPI_STATUSES_IGNORE);

		MPI_Irecv(in, FEW, MPI_INT, MPI_ANY_SOURCE, TAG, p->comm, &r);
		meet(p);
		MPI_Send(out, n, MPI_INT, p->peer, TAG, p->comm);
		CHECK_CLASS(MPI_Wait(&r, MPI_STATUS_IGNORE), MPI_ERR_TRUNCATE);
		CHECK(r == MPI_REQUEST_NULL, "the handle is left");

		MPI_Irecv(in, FEW, MPI_INT, p->peer, TAG, p->comm, &r);
		meet(p);
		MPI_Send(out, n, MPI_INT, p->peer, TAG, p->comm);
		int code = MPI_SUCCESS;
		for (flag = 0; !flag && code == MPI_SUCCESS;)
			code = MPI_Test(&r, &flag, MPI_STATUS_IGNORE);
		CHECK_CLASS(code, MPI_ERR_TRUNCATE);
		CHECK(r == MPI_REQUEST_NULL, "the handle is left");

		MPI_Isend(out, n, MPI_INT, p->peer, TAG, p->comm, &r);
		MPI_Mprobe(p->peer, TAG, p->comm, &message, MPI_STATUS_IGNORE);
		CHECK_CLASS(MPI_Mrecv(in, FEW, MPI_INT, &message, MPI_STATUS_IGNORE),
		            MPI_ERR_TRUNCATE);
		finish(WAIT, 1, &r, MPI_STATUSES_IGNORE);
	}
	CHECK_CLASS(MPI_Sendrecv(out, MORE, MPI_INT, p->peer, TAG, in, FEW, MPI_INT, p->peer, TAG,
	                         p->comm, MPI_STATUS_IGNORE),
	            MPI_ERR_TRUNCATE);
	/* and then all is well again */
	CHECK_CLASS(MPI_Sendrecv(out, FEW, MPI_INT, p->peer, TAG, in, FEW, MPI_INT, p->peer, TAG,
	                         p->comm, MPI_STATUS_IGNORE),
	            MPI_SUCCESS);
}

enum { REQUESTS = 4, BAD = 1 };

/* One receive of several gets too much. */
static void start_array(const struct place *p, MPI_Request *r, int (*in)[FEW])
{
	for (int i = 0; i < REQUESTS - 1; i++)
		MPI_Irecv(in[i], FEW, MPI_INT, p->peer, TAG + i, p->comm, &r[i]);
	r[REQUESTS - 1] = MPI_REQUEST_NULL;
	meet(p);
	for (int i = 0; i < REQUESTS - 1; i++)
		MPI_Send(out, i == BAD ? MORE : FEW, MPI_INT, p->peer, TAG + i, p->comm);
}

/* Takes what one call says of some requests. */
static void note(int *codes, const int *which, int some, int code, const MPI_Status *s)
{
	for (int i = 0; i < some; i++)
		codes[which[i]] = class_of(code) == MPI_ERR_IN_STATUS ? s[i].MPI_ERROR : code;
}

static void array_once(enum way way, MPI_Request *r, int *codes, bool *done)
{
	int which[REQUESTS] = { 0, 1, 2, 3 }, some = 0, flag = 1, code;
	MPI_Status s[REQUESTS];

	switch (way) {
	case WAITALL:
	case TESTALL:
		code = way == WAITALL ? MPI_Waitall(REQUESTS, r, s)
		                      : MPI_Testall(REQUESTS, r, &flag, s);
		/* what is still open is MPI_ERR_PENDING, and is waited for once more */
		if (code != MPI_SUCCESS)
			CHECK_CLASS(code, MPI_ERR_IN_STATUS);
		for (int i = 0; i < REQUESTS; i++)
			if (code != MPI_SUCCESS && codes[i] == MPI_ERR_PENDING)
				codes[i] = class_of(s[i].MPI_ERROR);
			else if (code == MPI_SUCCESS && flag && codes[i] == MPI_ERR_PENDING)
				codes[i] = MPI_SUCCESS;
		break;
	case WAITSOME:
	case TESTSOME:
		code = way == WAITSOME ? MPI_Waitsome(REQUESTS, r, &some, which, s)
		                       : MPI_Testsome(REQUESTS, r, &some, which, s);
		if (code != MPI_SUCCESS)
			CHECK_CLASS(code, MPI_ERR_IN_STATUS);
		note(codes, which, some == MPI_UNDEFINED ? 0 : some, code, s);
		break;
	default:
		code = way == WAITANY ? MPI_Waitany(REQUESTS, r, which, s)
		                      : MPI_Testany(REQUESTS, r, which, &flag, s);
		if (which[0] != MPI_UNDEFINED)
			codes[which[0]] = code;
	}
	*done = true;
	for (int i = 0; i < REQUESTS - 1; i++)
		*done = *done && codes[i] != MPI_ERR_PENDING;
}

static void truncated_array(const struct place *p)
{
	errors_return(p);
	for (enum way way = WAITALL; way < WAYS; way++) {
		int in[REQUESTS][FEW], codes[REQUESTS];
		MPI_Request r[REQUESTS];
		bool done = false;

		for (int i = 0; i < REQUESTS; i++)
			codes[i] = MPI_ERR_PENDING;
		start_array(p, r, in);
		while (!done)
			array_once(way, r, codes, &done);
		for (int i = 0; i < REQUESTS - 1; i++)
			CHECK(class_of(codes[i]) == (i == BAD ? MPI_ERR_TRUNCATE : MPI_SUCCESS),
			      "way %d: request %d has class %d", (int)way, i, class_of(codes[i]));
#ifndef OPEN_MPI /* there what has failed is not always over */
		for (int i = 0; i < REQUESTS; i++)
			CHECK(r[i] == MPI_REQUEST_NULL, "way %d: a handle is left", (int)way);
#endif
	}
	meet(p);
}

/* Without statuses the call still says that something is wrong. */
static void truncated_ignored(const struct place *p)
{
	int in[REQUESTS][FEW], code;
	MPI_Request r[REQUESTS];
	/* not a constant: compilers take it for an array of no elements */
	MPI_Status *volatile ignore = MPI_STATUSES_IGNORE;

	errors_return(p);
	start_array(p, r, in);
	code = MPI_Waitall(REQUESTS, r, ignore);
	CHECK_CLASS(code, MPI_ERR_IN_STATUS);
	for (int tries = 0; code != MPI_SUCCESS && tries < REQUESTS; tries++)
		code = MPI_Waitall(REQUESTS, r, ignore);
#ifndef OPEN_MPI /* there what has failed is not always over */
	CHECK_CLASS(code, MPI_SUCCESS);
#endif
	meet(p);
}

/* ---- wrong arguments -------------------------------------------------------- */

/* What MPI's own function says, and that the function that a program calls says the same. */
#define SAME(class, function, ...)                                                       \
	do {                                                                             \
		int here_ = class_of(MPI_##function(__VA_ARGS__));                       \
		int there_ = class_of(PMPI_##function(__VA_ARGS__));                     \
		CHECK(here_ == there_ && here_ == (class), "%s says %d, MPI %d, not %d", \
		      #function, here_, there_, class);                                  \
	} while (0)

#define SAME_OF_SEND(function, ...)                                                              \
	do {                                                                                     \
		SAME(MPI_ERR_COUNT, function, b, -1, MPI_INT, 0, TAG, c, __VA_ARGS__);           \
		SAME(MPI_ERR_TYPE, function, b, 1, MPI_DATATYPE_NULL, 0, TAG, c, __VA_ARGS__);   \
		SAME(MPI_ERR_RANK, function, b, 1, MPI_INT, 2, TAG, c, __VA_ARGS__);             \
		SAME(MPI_ERR_RANK, function, b, 1, MPI_INT, -17, TAG, c, __VA_ARGS__);           \
		SAME(MPI_ERR_TAG, function, b, 1, MPI_INT, 0, -17, c, __VA_ARGS__);              \
		SAME(MPI_ERR_COMM, function, b, 1, MPI_INT, 0, TAG, MPI_COMM_NULL, __VA_ARGS__); \
	} while (0)

static void arguments(const struct place *p)
{
	MPI_Comm c = p->comm;
	int b[1] = { 0 }, flag;
	MPI_Request r = MPI_REQUEST_NULL;
	MPI_Message m;
	MPI_Status s;

	errors_return(p);
	SAME_OF_SEND(Isend, &r);
	SAME_OF_SEND(Issend, &r);
	SAME_OF_SEND(Irsend, &r);
	SAME_OF_SEND(Ibsend, &r);
	SAME_OF_SEND(Irecv, &r);
	SAME_OF_SEND(Recv, &s);
	SAME_OF_SEND(Send_init, &r);
	SAME_OF_SEND(Recv_init, &r);
	SAME(MPI_ERR_COUNT, Send, b, -1, MPI_INT, 0, TAG, c);
	SAME(MPI_ERR_RANK, Send, b, 1, MPI_INT, 2, TAG, c);
	SAME(MPI_ERR_TAG, Send, b, 1, MPI_INT, 0, -17, c);
	SAME(MPI_ERR_COMM, Send, b, 1, MPI_INT, 0, TAG, MPI_COMM_NULL);
	SAME(MPI_ERR_RANK, Ssend, b, 1, MPI_INT, 2, TAG, c);
	SAME(MPI_ERR_TAG, Rsend, b, 1, MPI_INT, 0, MPI_ANY_TAG, c);
	SAME(MPI_ERR_RANK, Bsend, b, 1, MPI_INT, MPI_ANY_SOURCE, TAG, c);
	SAME(MPI_ERR_RANK, Isend, b, 1, MPI_INT, MPI_ANY_SOURCE, TAG, c, &r);
	SAME(MPI_ERR_RANK, Probe, 2, TAG, c, &s);
	SAME(MPI_ERR_TAG, Probe, 0, -17, c, &s);
	SAME(MPI_ERR_RANK, Iprobe, 2, TAG, c, &flag, &s);
	SAME(MPI_ERR_TAG, Iprobe, 0, -17, c, &flag, &s);
	SAME(MPI_ERR_COMM, Iprobe, 0, TAG, MPI_COMM_NULL, &flag, &s);
	SAME(MPI_ERR_RANK, Mprobe, 2, TAG, c, &m, &s);
	SAME(MPI_ERR_RANK, Improbe, 2, TAG, c, &flag, &m, &s);
	SAME(MPI_ERR_COUNT, Sendrecv, b, -1, MPI_INT, 0, TAG, b, 1, MPI_INT, 0, TAG, c, &s);
	SAME(MPI_ERR_COUNT, Sendrecv, b, 1, MPI_INT, 0, TAG, b, -1, MPI_INT, 0, TAG, c, &s);
	SAME(MPI_ERR_RANK, Sendrecv, b, 1, MPI_INT, 2, TAG, b, 1, MPI_INT, 0, TAG, c, &s);
	SAME(MPI_ERR_RANK, Sendrecv_replace, b, 1, MPI_INT, 0, TAG, 2, TAG, c, &s);
	r = MPI_REQUEST_NULL;
	SAME(MPI_ERR_REQUEST, Start, &r);
	SAME(MPI_ERR_REQUEST, Cancel, &r);
	SAME(MPI_ERR_REQUEST, Request_free, &r);
}

/* ---- a handler of the program's ---------------------------------------------- */

static _Thread_local struct {
	MPI_Comm expected; /* an error may come on this one, in this thread */
	int calls, class, sum;
} handled;
static _Thread_local int self_tag;

static void remember(MPI_Comm *comm, int *code, ...)
{
	CHECK(*comm == handled.expected, "a handler is called in the wrong thread");
	handled.class = class_of(*code);
	handled.calls++;
}

#ifdef OPEN_MPI
/* Posts, waits and probes in a handler. MPICH 4.0 has its lock there, and ends the program. */
static int communicate(void)
{
	int in[2] = { -1, -1 }, some[2] = { 3, 4 }, flag;
	MPI_Request r[2];
	MPI_Status s[2];

	MPI_Irecv(&in[0], 1, MPI_INT, 0, self_tag, MPI_COMM_SELF, &r[0]);
	MPI_Isend(&some[0], 1, MPI_INT, 0, self_tag, MPI_COMM_SELF, &r[1]);
	MPI_Waitall(2, r, s);
	MPI_Isend(&some[1], 1, MPI_INT, 0, self_tag, MPI_COMM_SELF, &r[1]);
	while (MPI_Iprobe(MPI_ANY_SOURCE, self_tag, MPI_COMM_SELF, &flag, s), !flag)
		sched_yield();
	MPI_Recv(&in[1], 1, MPI_INT, 0, self_tag, MPI_COMM_SELF, s);
	MPI_Wait(&r[1], s);
	return in[0] + in[1];
}
#else
static int communicate(void)
{
	return 7;
}
#endif

static void call_mpi(MPI_Comm *comm, int *code, ...)
{
	char text[MPI_MAX_ERROR_STRING] = "";
	int length = 0, rank = -1, size = -1;

	remember(comm, code);
	MPI_Error_string(*code, text, &length);
	CHECK(length > 0 && (size_t)length == strlen(text), "an error without a text");
	MPI_Comm_rank(*comm, &rank);
	MPI_Comm_size(*comm, &size);
	CHECK(rank == check_rank && size == 2, "rank %d of %d", rank, size);
	handled.sum += communicate();
}

/* The thread sees its own calls alone. */
static void check_handled(const char *what, int class, int sum)
{
	CHECK(handled.calls == 1, "%s called the handler %d times", what, handled.calls);
	CHECK(handled.class == class, "%s: with class %d", what, handled.class);
	CHECK(handled.sum == sum, "%s: the sum of its messages is %d", what, handled.sum);
	handled.calls = handled.sum = 0;
}

/* One rank waits for what the other sends a little later. Whether Wait and Test call the handler is
 * up to MPI: 4.0 of MPICH does not always. */
static void handled_in_wait(const struct place *p, bool test, int sum)
{
	int in[FEW], flag = 0;
	MPI_Request r;
	MPI_Status s;

	MPI_Irecv(in, FEW, MPI_INT, p->peer, TAG, p->comm, &r);
	meet(p);
	if (p->rank == (int)test)
		check_sleep_us(200);
	MPI_Send(out, MORE, MPI_INT, p->peer, TAG, p->comm);
	if (!test)
		CHECK_CLASS(MPI_Wait(&r, &s), MPI_ERR_TRUNCATE);
	else
		while (MPI_Test(&r, &flag, &s) == MPI_SUCCESS)
			CHECK(!flag, "it is not truncated");
	CHECK(r == MPI_REQUEST_NULL, "the handle is left");
	if (handled.calls)
		check_handled("Wait or Test", MPI_ERR_TRUNCATE, sum);
}

static void in_waiting_thread(const struct place *p, MPI_Comm_errhandler_function *fn, int sum)
{
	int in[MORE];
	MPI_Errhandler handler;
	MPI_Request r;
	MPI_Status s;

	handled.calls = handled.sum = 0;
	handled.expected = p->comm;
	self_tag = p->thread;
	MPI_Comm_create_errhandler(fn, &handler);
	MPI_Comm_set_errhandler(p->comm, handler);
	MPI_Errhandler_free(&handler);

	MPI_Isend(out, MORE, MPI_INT, p->peer, TAG, p->comm, &r);
	CHECK_CLASS(MPI_Recv(in, FEW, MPI_INT, p->peer, TAG, p->comm, &s), MPI_ERR_TRUNCATE);
	check_handled("Recv", MPI_ERR_TRUNCATE, sum);
	MPI_Wait(&r, &s);
	handled_in_wait(p, false, sum);
	handled_in_wait(p, true, sum);
	CHECK_CLASS(MPI_Isend(out, -1, MPI_INT, p->peer, TAG, p->comm, &r), MPI_ERR_COUNT);
	check_handled("a wrong Isend", MPI_ERR_COUNT, sum);
	CHECK_CLASS(MPI_Recv(in, 1, MPI_INT, 2, TAG, p->comm, &s), MPI_ERR_RANK);
	check_handled("a wrong Recv", MPI_ERR_RANK, sum);

	check_forget(&s, 1);
	MPI_Sendrecv(out, FEW, MPI_INT, p->peer, TAG, in, MORE, MPI_INT, p->peer, TAG, p->comm, &s);
	CHECK_STATUS(&s, p->peer, TAG, MPI_INT, FEW);
	CHECK_INT(handled.calls, 0);
	errors_return(p);
}

static void handler(const struct place *p)
{
	in_waiting_thread(p, remember, 0);
}

static void handler_calls(const struct place *p)
{
	in_waiting_thread(p, call_mpi, 7);
}

static const struct check_case cases[] = {
	{ .name = "truncated messages", .run = truncated },
	{ .name = "truncated messages, arrays", .run = truncated_array },
	{ .name = "truncated messages, statuses ignored", .run = truncated_ignored },
	{ .name = "wrong arguments", .run = arguments },
};
/* Later, because a layer may take another way once a program has a handler of its own. */
static const struct check_case handler_cases[] = {
	{ .name = "a handler runs in the thread that waits", .run = handler },
	{ .name = "a handler that calls MPI", .run = handler_calls },
	{ .name = "truncated messages, arrays", .run = truncated_array },
};

static void fatal(void)
{
	struct place place = place_open(MPI_COMM_WORLD, 0);
	struct noise noise;
	int in[FEW];

	noise_begin(&noise);
	MPI_Send(out, MORE, MPI_INT, place.peer, TAG, place.comm);
	MPI_Recv(in, FEW, MPI_INT, place.peer, TAG, place.comm, MPI_STATUS_IGNORE);
	puts("the job goes on");
	exit(0);
}

int main(int argc, char **argv)
{
	check_begin(60);
	if (argc > 1 && !strcmp(argv[1], "fatal"))
		fatal();
	/* errors of what belongs to no communicator */
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
	check_cases(cases, COUNT_OF(cases), MPI_COMM_WORLD);
	check_cases(handler_cases, COUNT_OF(handler_cases), MPI_COMM_WORLD);
	MPI_Finalize();
	return 0;
}
