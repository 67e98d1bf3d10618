/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ferry_start and ferry_run: allreduces, one-sided, a file, persistent and wrong
 * ones, while other threads use MPI themselves; and what 10,000 outstanding ones cost.
 */
#include <ferry_mpi.h>

#include "system.h"

enum { ALLREDUCES = 20, SPEAKERS = 2, TAG_LATE = 7, TAG_SHORT = 8, TAG_KEPT = 9 };

static ferry *engine;
static MPI_Comm mine; /* the program's own */
static int rank, size;

/* ---- threads that speak MPI themselves --------------------------------- */

static bool speaking = true;
static pthread_mutex_t speaking_lock = PTHREAD_MUTEX_INITIALIZER;

static bool still_speaking(void)
{
	pthread_mutex_lock(&speaking_lock);
	bool yes = speaking;
	pthread_mutex_unlock(&speaking_lock);
	return yes;
}

/* All ranks end together: a token goes round, and 0 of it is the end. */
static void *speak(void *arg)
{
	int tag = 100 + (int)(intptr_t)arg, next = (rank + 1) % size,
	    before = (rank + size - 1) % size, in = 1;
	unsigned rounds = 0;

	while (in) {
		int out = rank == 0 ? still_speaking() : 1;
		if (rank == 0) {
			CHECK_INT(MPI_Sendrecv(&out, 1, MPI_INT, next, tag, &in, 1, MPI_INT, before,
			                       tag, mine, MPI_STATUS_IGNORE),
			          MPI_SUCCESS);
		} else {
			CHECK_INT(MPI_Recv(&in, 1, MPI_INT, before, tag, mine, MPI_STATUS_IGNORE),
			          MPI_SUCCESS);
			CHECK_INT(MPI_Send(&in, 1, MPI_INT, next, tag, mine), MPI_SUCCESS);
		}
		rounds++;
		struct timespec pause = { 0, 200000 };
		nanosleep(&pause, NULL);
	}
	CHECK(rounds > 1);
	return NULL;
}

static void stop_speaking(pthread_t *threads)
{
	pthread_mutex_lock(&speaking_lock);
	speaking = false;
	pthread_mutex_unlock(&speaking_lock);
	for (int i = 0; i < SPEAKERS; i++)
		pthread_join(threads[i], NULL);
}

/* ---- helpers ----------------------------------------------------------- */

static void await(ferry_future *future)
{
	int status = ferry_future_wait(future, FERRY_S(30));
	if (status)
		CHECK_FAIL("a start ended with %s (%s)", ferry_strname(status),
		           ferry_future_detail(future));
	ferry_future_release(future);
}

static void await_bad(ferry_future *future, int expected)
{
	CHECK_INT(ferry_future_wait(future, FERRY_S(30)), expected);
	CHECK(strlen(ferry_future_detail(future)) > 10);
	ferry_future_release(future);
}

/* ---- allreduces -------------------------------------------------------- */

struct sum {
	int in, out;
};

static int start_sum(MPI_Comm comm, void *arg, MPI_Request *request)
{
	struct sum *sum = arg;
	return MPI_Iallreduce(&sum->in, &sum->out, 1, MPI_INT, MPI_SUM, comm, request);
}

static void check_allreduces(void)
{
	struct sum sums[ALLREDUCES];
	ferry_future *futures[ALLREDUCES];

	for (int i = 0; i < ALLREDUCES; i++) {
		sums[i] = (struct sum){ .in = rank * 1000 + i };
		CHECK_OK(ferry_start(engine, start_sum, &sums[i], &futures[i]));
	}
	CHECK_OK(ferry_wait_all(futures, ALLREDUCES, FERRY_S(30)));
	for (int i = 0; i < ALLREDUCES; i++) {
		CHECK_INT(sums[i].out, 1000 * (size * (size - 1) / 2) + i * size);
		ferry_future_release(futures[i]);
	}
}

/* ---- one-sided --------------------------------------------------------- */

struct access {
	MPI_Win window;
	int *value;
	int target;
};

static int start_put(MPI_Comm comm, void *arg, MPI_Request *request)
{
	struct access *a = arg;
	(void)comm;
	return MPI_Rput(a->value, 1, MPI_INT, a->target, 0, 1, MPI_INT, a->window, request);
}

static int start_get(MPI_Comm comm, void *arg, MPI_Request *request)
{
	struct access *a = arg;
	(void)comm;
	return MPI_Rget(a->value, 1, MPI_INT, a->target, 0, 1, MPI_INT, a->window, request);
}

static void check_one_sided(void)
{
	int *memory, out = 4711 + rank, in = -1, next = (rank + 1) % size;
	struct access put = { .value = &out, .target = next },
		      get = { .value = &in, .target = next };
	ferry_future *future;

	/* Not MPI_Win_allocate: with it MPICH 4.0.2 was seen to access the wrong rank's memory,
	 * without Ferry as well. */
	CHECK(memory = calloc(1, sizeof *memory));
	if (MPI_Win_create(memory, sizeof *memory, sizeof *memory, MPI_INFO_NULL, mine,
	                   &put.window) != MPI_SUCCESS) {
		puts("one-sided operations are left out: this MPI has none here for "
		     "MPI_THREAD_MULTIPLE");
		free(memory);
		return;
	}
	get.window = put.window;
	MPI_Win_lock_all(0, put.window);
	*memory = 0;
	MPI_Win_sync(put.window);
	MPI_Barrier(mine);
	CHECK_OK(ferry_start(engine, start_put, &put, &future));
	await(future);
	MPI_Win_flush_all(put.window);
	CHECK_OK(ferry_start(engine, start_get, &get, &future));
	await(future);
	CHECK_INT(in, out);
	MPI_Barrier(mine);
	MPI_Win_unlock_all(put.window);
	CHECK_INT(*memory, 4711 + (rank + size - 1) % size);
	MPI_Win_free(&put.window);
	free(memory);
}

/* ---- a file ------------------------------------------------------------ */

struct writing {
	MPI_File file;
	char text[32];
	int length;
};

static int start_write(MPI_Comm comm, void *arg, MPI_Request *request)
{
	struct writing *w = arg;
	(void)comm;
	return MPI_File_iwrite_at(w->file, (MPI_Offset)rank * w->length, w->text, w->length,
	                          MPI_CHAR, request);
}

static void check_file(void)
{
	struct writing w = { .length = 0 };
	char name[64] = "", read_back[32] = "";
	ferry_future *future;
	MPI_Status status;
	int count = 0;

	if (rank == 0) {
		snprintf(name, sizeof name, "%s/ferry-start-%d",
		         getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid());
		CHECK(strlen(name) < sizeof name - 1);
	}
	MPI_Bcast(name, sizeof name, MPI_CHAR, 0, mine);
	CHECK_INT(MPI_File_open(mine, name, MPI_MODE_CREATE | MPI_MODE_RDWR, MPI_INFO_NULL,
	                        &w.file),
	          MPI_SUCCESS);
	w.length = snprintf(w.text, sizeof w.text, "rank %03d was here\n", rank);
	CHECK_OK(ferry_start(engine, start_write, &w, &future));
	CHECK_OK(ferry_future_wait(future, FERRY_S(30)));
	CHECK_OK(ferry_future_mpi_status(future, &status));
	MPI_Get_count(&status, MPI_CHAR, &count);
	CHECK_INT(count, w.length);
	ferry_future_release(future);
	CHECK_INT(MPI_File_close(&w.file), MPI_SUCCESS);
	FILE *file = fopen(name, "r");
	CHECK(file && fseek(file, (long)rank * w.length, SEEK_SET) == 0);
	CHECK_INT(fread(read_back, 1, (size_t)w.length, file), w.length);
	CHECK(strcmp(read_back, w.text) == 0);
	fclose(file);
	MPI_Barrier(mine);
	if (rank == 0)
		unlink(name);
}

/* ---- what goes wrong --------------------------------------------------- */

static int start_wrong(MPI_Comm comm, void *arg, MPI_Request *request)
{
	return MPI_Isend(arg, 1, MPI_INT, 9999, 0, comm, request);
}

static int start_receive(MPI_Comm comm, void *arg, MPI_Request *request)
{
	return MPI_Irecv(arg, 1, MPI_INT, rank, TAG_SHORT, comm, request);
}

static int start_long_send(MPI_Comm comm, void *arg, MPI_Request *request)
{
	return MPI_Isend(arg, 2, MPI_INT, rank, TAG_SHORT, comm, request);
}

static int start_nothing(MPI_Comm comm, void *arg, MPI_Request *request)
{
	(void)comm;
	(void)arg;
	(void)request;
	return MPI_SUCCESS;
}

static void count_release(void *data, void *arg)
{
	CHECK(!data);
	pthread_mutex_lock(&speaking_lock);
	++*(int *)arg;
	pthread_mutex_unlock(&speaking_lock);
}

static void await_count(const int *counter, int expected)
{
	for (int i = 0;; i++) {
		pthread_mutex_lock(&speaking_lock);
		int now = *counter;
		pthread_mutex_unlock(&speaking_lock);
		if (now == expected)
			return;
		CHECK(i < 10000);
		system_sleep_ms(1);
	}
}

static void check_wrong(void)
{
	ferry_future *future, *other;
	MPI_Status status;
	int numbers[3] = { 1, 2, 0 }, released = 0;

	CHECK_OK(ferry_start_release(engine, start_wrong, &released, count_release, &future));
	await_bad(future, FERRY_EMPI);
	await_count(&released, 1);
#ifdef MPICH /* Open MPI does not always tell that a message was cut off */
	CHECK_OK(ferry_start(engine, start_receive, &numbers[2], &future));
	CHECK_OK(ferry_start(engine, start_long_send, numbers, &other));
	await(other);
	CHECK_INT(ferry_future_wait(future, FERRY_S(30)), FERRY_EMPI);
	CHECK(strstr(ferry_future_detail(future), "truncated"));
	CHECK_OK(ferry_future_mpi_status(future, &status));
	ferry_future_release(future);
#else
	(void)start_receive;
	(void)start_long_send;
	(void)numbers;
#endif
	CHECK_OK(ferry_start(engine, start_nothing, NULL, &future));
	CHECK_OK(ferry_future_wait(future, FERRY_S(30)));
	CHECK_OK(ferry_future_mpi_status(future, &status));
	CHECK_INT(status.MPI_SOURCE, MPI_ANY_SOURCE);
	ferry_future_release(future);
	CHECK_STATUS(ferry_start(engine, NULL, NULL, &future), FERRY_EINVAL);
	CHECK_STATUS(ferry_start(NULL, start_nothing, NULL, &future), FERRY_EINVAL);
	CHECK_STATUS(ferry_run(engine, NULL, NULL, &future), FERRY_EINVAL);
	CHECK_OK(ferry_post(engine, rank, 1, NULL, 0, &other));
	CHECK_STATUS(ferry_future_mpi_status(other, &status), FERRY_EINVAL);
	ferry_future_release(other);
	CHECK_OK(ferry_start(engine, start_wrong, NULL, NULL)); /* nobody asks how it ended */
}

/* ---- a persistent request, memory that is kept, ferry_run ------------------------ */

static int start_persistent(MPI_Comm comm, void *arg, MPI_Request *request)
{
	(void)comm;
	*request = *(MPI_Request *)arg;
	return MPI_Start(request);
}

static void check_persistent(void)
{
	int in = 0, next = (rank + 1) % size, before = (rank + size - 1) % size;
	MPI_Request receive;
	ferry_future *future;

	MPI_Recv_init(&in, 1, MPI_INT, before, 5, mine, &receive);
	for (int i = 1; i <= 3; i++) {
		int out = 10 * rank + i;
		CHECK_OK(ferry_start(engine, start_persistent, &receive, &future));
		MPI_Send(&out, 1, MPI_INT, next, 5, mine);
		await(future);
		CHECK_INT(in, 10 * before + i);
	}
	MPI_Request_free(&receive);
}

struct kept {
	int released; /* first: what count_release counts */
	int number;
	MPI_Comm comm;
};

static int start_kept(MPI_Comm comm, void *arg, MPI_Request *request)
{
	struct kept *kept = arg;
	kept->comm = comm;
	return MPI_Irecv(&kept->number, 1, MPI_INT, rank, TAG_KEPT, comm, request);
}

/* The future is over by its deadline, and the memory is MPI's until the message has come. */
static void check_kept(void)
{
	struct kept kept = { .number = 0 };
	ferry_future *future;
	MPI_Status status;
	int number = 42;

	CHECK_OK(ferry_start_release(engine, start_kept, &kept, count_release, &future));
	CHECK_INT(ferry_future_mpi_status(future, &status), FERRY_PENDING);
	CHECK_OK(ferry_future_deadline(future, FERRY_MS(30)));
	await_bad(future, FERRY_ETIMEDOUT);
	system_sleep_ms(20);
	await_count(&kept.released, 0);
	CHECK_OK(ferry_isend(engine, &number, 1, MPI_INT, rank, TAG_KEPT, kept.comm, &future));
	await(future);
	await_count(&kept.released, 1);
	CHECK_INT(kept.number, 42);
}

struct notes {
	int *order, *next, value;
};

static int note(MPI_Comm comm, void *arg)
{
	struct notes *n = arg;
	int compared;
	MPI_Comm_size(comm, &compared);
	CHECK_INT(compared, size);
	n->order[(*n->next)++] = n->value;
	return MPI_SUCCESS;
}

static int start_note(MPI_Comm comm, void *arg, MPI_Request *request)
{
	(void)request;
	return note(comm, arg);
}

static int run_wrong(MPI_Comm comm, void *arg)
{
	int unused;
	return MPI_Send(arg ? arg : &unused, 1, MPI_INT, 9999, 0, comm);
}

/* One thread's starts and runs keep their order, also when a thread that waits drives
 * the engine. */
static void check_order(void)
{
	enum { NOTES = 200 };
	struct notes notes[NOTES];
	ferry_future *futures[NOTES], *future;
	int order[NOTES], next = 0;

	for (int i = 0; i < NOTES; i++) {
		notes[i] = (struct notes){ order, &next, i };
		if (i % 3)
			CHECK_OK(ferry_start(engine, start_note, &notes[i], &futures[i]));
		else
			CHECK_OK(ferry_run(engine, note, &notes[i], &futures[i]));
		if (i % 17 == 0)
			CHECK_OK(ferry_future_wait(futures[i], FERRY_S(30)));
	}
	CHECK_OK(ferry_wait_all(futures, NOTES, FERRY_S(30)));
	for (int i = 0; i < NOTES; i++) {
		CHECK_INT(order[i], i);
		ferry_future_release(futures[i]);
	}
	CHECK_OK(ferry_run(engine, run_wrong, NULL, &future));
	await_bad(future, FERRY_EMPI);
}

static int find_comm(MPI_Comm comm, void *arg)
{
	*(MPI_Comm *)arg = comm;
	return MPI_SUCCESS;
}

static int start_send(MPI_Comm comm, void *arg, MPI_Request *request)
{
	return MPI_Isend(arg, 1, MPI_INT, (rank + 1) % size, TAG_LATE, comm, request);
}

/* Messages by ferry_isend do not overtake those that a function starts. */
static void check_mixed_order(void)
{
	enum { MESSAGES = 120 };
	ferry_future *receives[MESSAGES], *sends[MESSAGES], *future;
	int out[MESSAGES], in[MESSAGES], before = (rank + size - 1) % size;
	MPI_Comm comm;

	CHECK_OK(ferry_run(engine, find_comm, &comm, &future));
	await(future);
	for (int i = 0; i < MESSAGES; i++)
		CHECK_OK(ferry_irecv(engine, &in[i], 1, MPI_INT, before, TAG_LATE, comm,
		                     &receives[i]));
	for (int i = 0; i < MESSAGES; i++) {
		out[i] = i;
		if (i % 3 == 0)
			CHECK_OK(ferry_start(engine, start_send, &out[i], &sends[i]));
		else
			CHECK_OK(ferry_isend(engine, &out[i], 1, MPI_INT, (rank + 1) % size,
			                     TAG_LATE, comm, &sends[i]));
	}
	CHECK_OK(ferry_wait_all(receives, MESSAGES, FERRY_S(30)));
	CHECK_OK(ferry_wait_all(sends, MESSAGES, FERRY_S(30)));
	for (int i = 0; i < MESSAGES; i++) {
		CHECK_INT(in[i], i);
		ferry_future_release(receives[i]);
		ferry_future_release(sends[i]);
	}
}

/* ---- many ------------------------------------------------------------------------ */

static int query(void *extra, MPI_Status *status)
{
	(void)extra;
	MPI_Status_set_elements(status, MPI_BYTE, 0);
	MPI_Status_set_cancelled(status, 0);
	status->MPI_SOURCE = MPI_UNDEFINED;
	status->MPI_TAG = MPI_UNDEFINED;
	return MPI_SUCCESS;
}

static int forget(void *extra)
{
	(void)extra;
	return MPI_SUCCESS;
}

static int forget_cancel(void *extra, int complete)
{
	(void)extra;
	(void)complete;
	return MPI_SUCCESS;
}

/* A request that the program completes itself: so MPI's own cost of finding a message is
 * left out. */
static int start_general(MPI_Comm comm, void *arg, MPI_Request *request)
{
	(void)comm;
	int code = MPI_Grequest_start(query, forget, forget_cancel, NULL, request);
	*(MPI_Request *)arg = *request;
	return code;
}

struct many {
	MPI_Request *requests;
	ferry_future **futures;
	size_t n;
};

static void many_start(struct many *m, size_t n)
{
	*m = (struct many){ calloc(n, sizeof(MPI_Request)), calloc(n, sizeof(ferry_future *)), n };
	CHECK(m->requests && m->futures);
	for (size_t i = 0; i < n; i++)
		CHECK_OK(ferry_start(engine, start_general, &m->requests[i], &m->futures[i]));
	ferry_future *last; /* behind it all have started */
	CHECK_OK(ferry_start(engine, start_nothing, NULL, &last));
	await(last);
}

static void many_end(struct many *m)
{
	for (size_t i = 0; i < m->n; i++)
		ferry_future_release(m->futures[i]);
	free(m->requests);
	free(m->futures);
}

/* Complete them in this order, then wait for all; ns for each. */
static double finish_in_order(struct many *m, const size_t *order)
{
	double began = system_now();
	for (size_t i = 0; i < m->n; i++)
		MPI_Grequest_complete(m->requests[order ? order[i] : i]);
	CHECK_OK(ferry_wait_all(m->futures, m->n, FERRY_S(60)));
	return 1e9 * (system_now() - began) / (double)m->n;
}

static void shuffle(size_t *order, size_t n)
{
	uint64_t state = 12345;
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	for (size_t i = n; i > 1; i--) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		size_t j = (size_t)(state >> 33) % i, kept = order[i - 1];
		order[i - 1] = order[j];
		order[j] = kept;
	}
}

/* One that is neither the oldest nor the newest: how long until it is found; the mean, in us. */
static double find_one(struct many *m)
{
	enum { TIMES = 15 };
	double sum = 0;
	size_t times = m->n / 4 < TIMES ? m->n / 4 : TIMES;
	for (size_t i = 1; i <= times; i++) {
		size_t at = i * (m->n - 1) / (times + 1);
		system_sleep_ms(3);
		double began = system_now();
		MPI_Grequest_complete(m->requests[at]);
		CHECK_OK(ferry_future_wait(m->futures[at], FERRY_S(30)));
		sum += system_now() - began;
		m->requests[at] = MPI_REQUEST_NULL;
	}
	return 1e6 * sum / (double)times;
}

/* A step of an engine that has nothing to do but these; a thread that waits keeps it stepping. */
static double step_cost(void)
{
	ferry_stats before = FERRY_STATS_INIT, after = FERRY_STATS_INIT;
	struct timespec from, to;
	ferry_stats_read(engine, &before);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	system_sleep_ms(50);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	ferry_stats_read(engine, &after);
	double cpu = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
	return 1e6 * cpu / (double)(after.steps - before.steps + 1);
}

/* The best of a few: the machine does other things as well. */
static double best(size_t n, const size_t *order)
{
	struct many m;
	double least = 0;
	for (int i = 0; i < 3; i++) {
		many_start(&m, n);
		double ns = finish_in_order(&m, order);
		many_end(&m);
		least = i == 0 || ns < least ? ns : least;
	}
	return least;
}

static void measure(size_t n)
{
	struct many m;
	size_t *order = calloc(n, sizeof *order);
	CHECK(order);
	shuffle(order, n);
	double in_order = best(n, NULL), random_order = best(n, order);
	many_start(&m, n);
	double step = step_cost();
	double one = find_one(&m);
	for (size_t i = 0; i < n; i++)
		if (m.requests[i] != MPI_REQUEST_NULL)
			MPI_Grequest_complete(m.requests[i]);
	CHECK_OK(ferry_wait_all(m.futures, n, FERRY_S(60)));
	many_end(&m);
	free(order);
	if (rank == 0)
		printf("%11zu %17.2f %21.0f %20.0f %17.0f\n", n, step, in_order, random_order, one);
}

static void check_many(void)
{
	if (rank == 0)
		printf("outstanding   us of CPU a step   ns each, as posted   ns each, shuffled   "
		       "us to find one\n");
	for (size_t n = 100; n <= check_scaled(10000); n *= 10)
		measure(n);
}

/* ---- all of it ------------------------------------------------------------------- */

/* The progress of nonblocking I/O in Open MPI 4.1.4 does not stand other threads inside MPI: one of
 * them still looks at a request (mca_fbtl_posix_progress) that another one found done and freed. */
#ifdef OPEN_MPI
enum { FILE_BESIDE = false };
#else
enum { FILE_BESIDE = true };
#endif

int main(void)
{
	pthread_t threads[SPEAKERS];
	int provided;

	system_watch();
	MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
	if (provided < MPI_THREAD_MULTIPLE)
		CHECK_SKIP("this MPI has no MPI_THREAD_MULTIPLE");
	MPI_Comm_dup(MPI_COMM_WORLD, &mine);
	MPI_Comm_set_errhandler(mine, MPI_ERRORS_RETURN);
	MPI_Comm_rank(mine, &rank);
	MPI_Comm_size(mine, &size);
	CHECK_STATUS(ferry_open_comm(MPI_COMM_NULL, NULL, &engine), FERRY_EINVAL);
	CHECK_OK(ferry_open_comm(mine, NULL, &engine));
	if (!FILE_BESIDE)
		check_file();
	for (intptr_t i = 0; i < SPEAKERS; i++)
		CHECK_INT(pthread_create(&threads[i], NULL, speak, (void *)i), 0);
	check_allreduces();
	check_one_sided();
	if (FILE_BESIDE)
		check_file();
	check_wrong();
	check_persistent();
	check_kept();
	check_order();
	check_mixed_order();
	check_allreduces();
	stop_speaking(threads);
	check_many();
	CHECK_OK(ferry_close(engine));
	CHECK_STATUS(ferry_start(NULL, start_nothing, NULL, NULL), FERRY_EINVAL);
	MPI_Comm_free(&mine);
	MPI_Finalize();
	if (rank == 0)
		printf("start: %d allreduces, Rput and Rget, a file, persistent, wrong and kept "
		       "ones, beside %d threads\n",
		       2 * ALLREDUCES, SPEAKERS);
	return 0;
}
