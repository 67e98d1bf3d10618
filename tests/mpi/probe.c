/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ferry_improbe and ferry_imrecv: threads that wait for messages of unknown size from anybody, each
 * message received once; order; a message for which nobody waits any more stays for others,
 * whatever the moment; a sleeping engine; what is wrong; a close.
 */
#include <ferry_mpi.h>

#include "system.h"

enum {
	THREADS = 4,
	TAG_WORK = 1,
	TAG_ORDER,
	TAG_RACE,
	TAG_SLEEP,
	TAG_NONE,
	TAG_LATE,
	TAG_SURE,
	TAG_WRONG,
	TAG_CLOSE,
	LONG = 1 << 20
};

static ferry *engine;
static MPI_Comm mine;
static int rank, size, next, before;

/* A number, that nobody waits for: MPI may read it until the end. */
static void send_int(int number, int tag)
{
	static int numbers[2000];
	static unsigned n;
	CHECK(n < COUNT_OF(numbers));
	numbers[n] = number;
	CHECK_OK(ferry_isend(engine, &numbers[n++], 1, MPI_INT, next, tag, mine, NULL));
}

static int count_of(ferry_future *future, MPI_Status *status)
{
	int count;
	CHECK_OK(ferry_future_mpi_status(future, status));
	MPI_Get_count(status, MPI_INT, &count);
	return count;
}

static void receive(int *in, int count, MPI_Message *message)
{
	ferry_future *future;
	MPI_Status status;
	CHECK_OK(ferry_imrecv(engine, in, count, MPI_INT, message, &future));
	CHECK(*message == MPI_MESSAGE_NULL);
	CHECK_OK(ferry_future_wait(future, FERRY_S(50)));
	CHECK_INT(count_of(future, &status), count);
	ferry_future_release(future);
}

/* By MPI itself; one of this rank's own by the engine, as MPICH (4.0.2) does not come back from a
 * receive of what another thread sends to the same rank. */
static void receive_plainly(int *in, int tag)
{
	ferry_future *future;
	if (size > 1) {
		CHECK_INT(MPI_Recv(in, 1, MPI_INT, before, tag, mine, MPI_STATUS_IGNORE),
		          MPI_SUCCESS);
		return;
	}
	CHECK_OK(ferry_irecv(engine, in, 1, MPI_INT, before, tag, mine, &future));
	CHECK_OK(ferry_future_wait(future, FERRY_S(50)));
	ferry_future_release(future);
}

/* ---- many threads wait for the same ------------------------------------ */

static struct {
	pthread_mutex_t lock;
	int left; /* messages that nobody has asked for */
	long long sum;
} work = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool take_turn(void)
{
	pthread_mutex_lock(&work.lock);
	bool mine_is = work.left > 0;
	work.left -= mine_is;
	pthread_mutex_unlock(&work.lock);
	return mine_is;
}

static void *worker(void *arg)
{
	(void)arg;
	while (take_turn()) {
		MPI_Message message;
		MPI_Status status;
		ferry_future *future;
		int in[64];
		CHECK_OK(ferry_improbe(engine, MPI_ANY_SOURCE, TAG_WORK, mine, &message, &future));
		CHECK_OK(ferry_future_wait(future, FERRY_S(50)));
		int count = count_of(future, &status);
		ferry_future_release(future);
		CHECK_INT(status.MPI_SOURCE, before);
		CHECK(count >= 1 && count <= 64);
		receive(in, count, &message);
		CHECK_INT(in[0] % 64 + 1, count);
		pthread_mutex_lock(&work.lock);
		work.sum += in[0];
		pthread_mutex_unlock(&work.lock);
	}
	return NULL;
}

static void check_work(void)
{
	int n = (int)check_scaled(400);
	static int out[64];
	pthread_t threads[THREADS];
	work.left = n;
	for (intptr_t i = 0; i < THREADS; i++)
		CHECK_INT(pthread_create(&threads[i], NULL, worker, NULL), 0);
	for (int i = 0; i < n; i++) {
		ferry_future *sent;
		out[0] = i;
		CHECK_OK(
			ferry_isend(engine, out, i % 64 + 1, MPI_INT, next, TAG_WORK, mine, &sent));
		CHECK_OK(ferry_future_wait(sent, FERRY_S(50)));
		ferry_future_release(sent);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK_INT(work.sum, (long long)n * (n - 1) / 2);
}

/* ---- order ------------------------------------------------------------- */

/* More probes than one look takes, among others that find nothing: the first gets the first. */
static void check_order(void)
{
	enum { N = 150, OTHERS = 40 };
	static MPI_Message messages[N], none[OTHERS];
	static ferry_future *futures[N], *others[OTHERS];
	int in;
	for (int i = 0; i < OTHERS; i++)
		CHECK_OK(ferry_improbe(engine, before, 1000 + i, mine, &none[i], &others[i]));
	for (int i = 0; i < N; i++)
		CHECK_OK(ferry_improbe(engine, before, TAG_ORDER, mine, &messages[i], &futures[i]));
	for (int i = 0; i < N; i++)
		send_int(7000 + i, TAG_ORDER);
	CHECK_OK(ferry_wait_all(futures, N, FERRY_S(50)));
	for (int i = 0; i < N; i++) {
		receive(&in, 1, &messages[i]);
		CHECK_INT(in, 7000 + i);
	}
	CHECK_OK(ferry_finish_all(futures, N, 0));
	for (int i = 0; i < OTHERS; i++) {
		CHECK_INT(ferry_future_poll(others[i]), FERRY_PENDING);
		CHECK_OK(ferry_future_cancel(others[i]));
	}
	CHECK_INT(ferry_finish_all(others, OTHERS, 0), FERRY_ECANCELED);
}

/* ---- given up ---------------------------------------------------------- */

/* Cancelled or too late before anything came: the message is there for a plain receive. */
static void check_given_up(void)
{
	MPI_Message first = MPI_MESSAGE_NULL, second = MPI_MESSAGE_NULL;
	ferry_future *cancelled, *timed_out;
	int in = -1;
	CHECK_OK(ferry_improbe(engine, MPI_ANY_SOURCE, MPI_ANY_TAG, mine, &first, &cancelled));
	CHECK_OK(ferry_improbe(engine, before, TAG_LATE, mine, &second, &timed_out));
	system_sleep_ms(5);
	CHECK_OK(ferry_future_cancel(cancelled));
	CHECK_OK(ferry_future_deadline(timed_out, FERRY_MS(5)));
	CHECK_INT(ferry_future_wait(timed_out, FERRY_S(50)), FERRY_ETIMEDOUT);
	CHECK(strstr(ferry_future_detail(cancelled), "no message"));
	ferry_future_release(cancelled);
	ferry_future_release(timed_out);
	MPI_Barrier(mine);
	send_int(3, TAG_LATE);
	receive_plainly(&in, TAG_LATE);
	CHECK_INT(in, 3);
	CHECK(first == MPI_MESSAGE_NULL && second == MPI_MESSAGE_NULL);
}

/* The cancel meets the match at any moment: either the future has the message, or the next who
 * asks has. */
static void check_race(void)
{
	int rounds = (int)check_scaled(300), taken = 0;
	for (int i = 0; i < rounds; i++) {
		MPI_Message message = MPI_MESSAGE_NULL;
		ferry_future *future, *again;
		int in = -1, status;
		CHECK_OK(ferry_improbe(engine, before, TAG_RACE, mine, &message, &future));
		send_int(i, TAG_RACE);
		if (i % 3 == 0)
			ferry_future_deadline(future, FERRY_US(i % 50));
		for (int spin = 0; spin < i % 17 * 40; spin++)
			ferry_future_poll(future);
		status = ferry_future_cancel(future) == FERRY_OK
		                 ? FERRY_ECANCELED
		                 : ferry_future_wait(future, FERRY_S(50));
		if (status != FERRY_OK) {
			CHECK(status == FERRY_ECANCELED || status == FERRY_ETIMEDOUT);
			CHECK(message == MPI_MESSAGE_NULL);
			CHECK_OK(ferry_improbe(engine, before, TAG_RACE, mine, &message, &again));
			CHECK_OK(ferry_future_wait(again, FERRY_S(50)));
			ferry_future_release(again);
			taken++;
		}
		ferry_future_release(future);
		receive(&in, 1, &message);
		CHECK_INT(in, i);
	}
	CHECK(taken > 0 || rounds < 100);
}

/* ---- a receive of what was matched ------------------------------------- */

/* Cancelled at once: the message is received all the same, and its sender ends, though it
 * is long. */
static void check_sure(void)
{
	int *out = calloc(LONG, sizeof *out), *in = calloc(LONG, sizeof *in);
	MPI_Message message;
	ferry_future *future, *sent;
	CHECK(out && in);
	out[LONG - 1] = 9;
	CHECK_OK(ferry_isend(engine, out, LONG, MPI_INT, next, TAG_SURE, mine, &sent));
	CHECK_OK(ferry_improbe(engine, before, TAG_SURE, mine, &message, &future));
	CHECK_OK(ferry_future_wait(future, FERRY_S(50)));
	ferry_future_release(future);
	CHECK_OK(ferry_imrecv(engine, in, LONG, MPI_INT, &message, &future));
	CHECK(message == MPI_MESSAGE_NULL);
	int status = ferry_future_cancel(future);
	CHECK(status == FERRY_OK || status == FERRY_EALREADY);
	ferry_future_release(future);
	CHECK_OK(ferry_future_wait(sent, FERRY_S(50)));
	ferry_future_release(sent);
	for (int ms = 0; ((volatile int *)in)[LONG - 1] != 9 && ms < 5000; ms++)
		system_sleep_ms(1);
	CHECK_INT(in[LONG - 1], 9);
	MPI_Barrier(mine);
	free(out);
	free(in);
}

/* ---- a sleeping engine ------------------------------------------------- */

struct waiter {
	ferry_future *future;
	double at;
};

static void *wait_for_it(void *arg)
{
	struct waiter *waiter = arg;
	CHECK_OK(ferry_future_wait(waiter->future, FERRY_S(50)));
	waiter->at = system_now();
	return NULL;
}

/* Nobody rings for a plain message: it is found soon all the same. */
static void check_sleep(void)
{
	MPI_Message message;
	struct waiter waiter;
	pthread_t thread;
	int out = 1, in;
	CHECK_OK(ferry_improbe(engine, before, TAG_SLEEP, mine, &message, &waiter.future));
	CHECK_INT(pthread_create(&thread, NULL, wait_for_it, &waiter), 0);
	system_sleep_ms(50);
	double sent = system_now();
	MPI_Request request;
	CHECK_INT(MPI_Isend(&out, 1, MPI_INT, next, TAG_SLEEP, mine, &request), MPI_SUCCESS);
	pthread_join(thread, NULL);
	CHECK(waiter.at - sent < 5);
	ferry_future_release(waiter.future);
	receive(&in, 1, &message);
	CHECK_INT(MPI_Wait(&request, MPI_STATUS_IGNORE), MPI_SUCCESS);
}

/* ---- wrong, and the end ------------------------------------------------ */

static void check_arguments(void)
{
	MPI_Message message = MPI_MESSAGE_NULL;
	ferry_future *future = NULL;
	MPI_Status status;
	int in = -1;
	CHECK_STATUS(ferry_improbe(NULL, 0, 0, mine, &message, &future), FERRY_EINVAL);
	CHECK_STATUS(ferry_improbe(engine, 0, 0, MPI_COMM_NULL, &message, &future), FERRY_EINVAL);
	CHECK_STATUS(ferry_improbe(engine, 0, 0, mine, NULL, &future), FERRY_EINVAL);
	CHECK_STATUS(ferry_improbe(engine, 0, 0, mine, &message, NULL), FERRY_EINVAL);
	CHECK_STATUS(ferry_imrecv(engine, &in, 1, MPI_INT, NULL, &future), FERRY_EINVAL);
	CHECK_STATUS(ferry_imrecv(engine, &in, 1, MPI_INT, &message, &future), FERRY_EINVAL);
	CHECK(strstr(ferry_last_error(), "ferry_improbe"));
	message = MPI_MESSAGE_NO_PROC;
	CHECK_STATUS(ferry_imrecv(NULL, &in, 1, MPI_INT, &message, &future), FERRY_EINVAL);
	CHECK_STATUS(ferry_imrecv(engine, &in, -1, MPI_INT, &message, &future), FERRY_EINVAL);
	CHECK_STATUS(ferry_imrecv(engine, &in, 1, MPI_DATATYPE_NULL, &message, &future),
	             FERRY_EINVAL);
	CHECK(!future && message == MPI_MESSAGE_NO_PROC);
	CHECK_OK(ferry_improbe(engine, size + 5, 0, mine, &message, &future));
	CHECK_INT(ferry_future_wait(future, FERRY_S(50)), FERRY_EMPI);
	CHECK(strstr(ferry_last_error(), "ferry_improbe"));
	ferry_future_release(future);
	CHECK_OK(ferry_improbe(engine, MPI_PROC_NULL, 3, mine, &message, &future));
	CHECK_OK(ferry_future_wait(future, FERRY_S(50)));
	CHECK(message == MPI_MESSAGE_NO_PROC);
	ferry_future_release(future);
	CHECK_OK(ferry_imrecv(engine, &in, 1, MPI_INT, &message, &future));
	CHECK(message == MPI_MESSAGE_NULL);
	CHECK_OK(ferry_future_wait(future, FERRY_S(50)));
	CHECK_INT(count_of(future, &status), 0);
	CHECK_INT(status.MPI_SOURCE, MPI_PROC_NULL);
	ferry_future_release(future);
	/* a type that was not committed */
	MPI_Datatype type;
	MPI_Type_contiguous(2, MPI_INT, &type);
	send_int(1, TAG_WRONG);
	CHECK_OK(ferry_improbe(engine, before, TAG_WRONG, mine, &message, &future));
	CHECK_OK(ferry_future_wait(future, FERRY_S(50)));
	ferry_future_release(future);
	MPI_Message copy = message;
	CHECK_OK(ferry_imrecv(engine, &in, 1, type, &message, &future));
	CHECK_INT(ferry_future_wait(future, FERRY_S(50)), FERRY_EMPI);
	CHECK(strstr(ferry_last_error(), "ferry_imrecv"));
	ferry_future_release(future);
	receive(&in, 1, &copy);
	CHECK_INT(in, 1);
	MPI_Type_free(&type);
}

static void check_close(void)
{
	MPI_Message message = MPI_MESSAGE_NULL;
	ferry_future *future;
	int in = -1;
	CHECK_OK(ferry_improbe(engine, before, TAG_NONE, mine, &message, &future));
	if (size > 1)
		send_int(8, TAG_CLOSE);
	CHECK_OK(ferry_close(engine));
	CHECK_INT(ferry_future_poll(future), FERRY_ESTOPPED);
	CHECK(*ferry_last_error());
	ferry_future_release(future);
	CHECK(message == MPI_MESSAGE_NULL);
	if (size == 1)
		return;
	CHECK_INT(MPI_Recv(&in, 1, MPI_INT, before, TAG_CLOSE, mine, MPI_STATUS_IGNORE),
	          MPI_SUCCESS);
	CHECK_INT(in, 8);
}

int main(void)
{
	int provided;
	system_watch();
	MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
	if (provided < MPI_THREAD_MULTIPLE)
		CHECK_SKIP("this MPI has no MPI_THREAD_MULTIPLE");
	MPI_Comm_dup(MPI_COMM_WORLD, &mine);
	MPI_Comm_set_errhandler(mine, MPI_ERRORS_RETURN);
	MPI_Comm_rank(mine, &rank);
	MPI_Comm_size(mine, &size);
	next = (rank + 1) % size;
	before = (rank + size - 1) % size;
	CHECK_OK(ferry_open_comm(mine, NULL, &engine));
	check_arguments();
	check_work();
	check_order();
	check_given_up();
	check_race();
	check_sure();
	check_sleep();
	check_close();
	MPI_Comm_free(&mine);
	MPI_Finalize();
	return 0;
}
