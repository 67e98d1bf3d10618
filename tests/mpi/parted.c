/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks on hosts that a cable may part, all busy with one another: `parted FILE`. They go on until
 * there is a file FILE.end, or until their engine stops. Posts are numbered and have contents: of
 * each rank all come in order, none twice, none after that rank is gone, and in the end as many
 * have come of each member as it says it sent. A rank that loses nobody says so by a fence and a
 * close that succeed.
 *
 * What each learns, and when, it writes to FILE, one line each, times in ms of the system's clock:
 *
 *     rank R ready, process P     is busy now
 *     rank R gone X at MS         was told that rank X is gone
 *     rank R waited until MS      the last time that a wait ended with FERRY_EPEER
 *     rank R stopped at MS        its engine did, with FERRY_EPEER
 *     rank R went on N            N rounds with those that are left, since the last rank was gone
 *     rank R closed in MS         how long that took
 *     rank R right                and nothing was wrong
 *
 * hosts.sh here and the one of tests/stress run it and judge.
 */
#include <ferry.h>

#include "system.h"

#include <fcntl.h>
#include <sys/types.h>

enum { RANKS = 16, OP_CALL = 1, OP_NUMBER, OP_LARGE, OP_COUNT, EACH = 3, LARGE_EACH = 4 };
#define BYTES ((size_t)256 << 10)

static ferry *engine;
static int me, ranks;
static const char *file;

/* What handlers write, all of them on the progress thread. The lock is for the main thread. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t came[RANKS];
static bool gone[RANKS], counted[RANKS];

static uint64_t sent[RANKS], waited, went_on;
static char large[BYTES];

static uint64_t clock_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void say(const char *what, uint64_t figure)
{
	char line[100];
	int n = snprintf(line, sizeof line, "rank %d %s %ju\n", me, what, (uintmax_t)figure);
	int fd = open(file, O_WRONLY | O_APPEND | O_CREAT, 0600);

	CHECK(fd >= 0 && write(fd, line, (size_t)n) == n);
	close(fd);
}

/* ---- what comes ------------------------------------------------------------ */

static void on_call(ferry *e, ferry_message *m, void *arg)
{
	(void)e;
	(void)arg;
	ferry_reply(m, ferry_message_body(m, NULL),
	            sizeof(uint64_t)); /* fails once the caller is gone */
}

/* The next number of its sender: nothing is missing, and nothing comes twice. */
static void on_number(ferry *e, ferry_message *m, void *arg)
{
	uint64_t number;
	int from = ferry_message_source(m);

	(void)e;
	(void)arg;
	memcpy(&number, ferry_message_body(m, NULL), sizeof number);
	pthread_mutex_lock(&lock);
	CHECK(!gone[from]);
	CHECK_INT(number, came[from]);
	came[from]++;
	pthread_mutex_unlock(&lock);
	if (ferry_message_op(m) == OP_LARGE) {
		size_t nbytes;
		const void *bytes = ferry_message_attachment(m, 0, &nbytes);
		CHECK(nbytes == BYTES && system_right(bytes, nbytes, 7));
	}
}

static void on_count(ferry *e, ferry_message *m, void *arg)
{
	uint64_t count;
	int from = ferry_message_source(m);

	(void)e;
	(void)arg;
	memcpy(&count, ferry_message_body(m, NULL), sizeof count);
	pthread_mutex_lock(&lock);
	CHECK_INT(count, came[from]);
	counted[from] = true;
	pthread_mutex_unlock(&lock);
}

static void on_gone(ferry *e, int rank, int status, const char *why, void *arg)
{
	char what[32];

	(void)e;
	(void)why;
	(void)arg;
	CHECK_INT(status, FERRY_EPEER);
	pthread_mutex_lock(&lock);
	CHECK(!gone[rank]);
	gone[rank] = true;
	pthread_mutex_unlock(&lock);
	snprintf(what, sizeof what, "gone %d at", rank);
	say(what, clock_ms());
}

static bool is(const bool *flags, int rank)
{
	pthread_mutex_lock(&lock);
	bool set = flags[rank];
	pthread_mutex_unlock(&lock);
	return set;
}

static int how_many_gone(void)
{
	int n = 0;

	for (int i = 0; i < ranks; i++)
		n += is(gone, i);
	return n;
}

/* ---- a round --------------------------------------------------------------- */

/* A rank is gone, or this one is, or MPI knew it before: over TCP it fails to send to a process
 * that has ended. */
static void check_end(int status)
{
	if (status != FERRY_ESTOPPED && status != FERRY_EMPI)
		CHECK_INT(status, FERRY_EPEER);
}

static ferry_future *post(int rank, bool with_large)
{
	ferry_message *m;
	ferry_future *future = NULL;
	int status;

	CHECK_OK(ferry_message_create(engine, with_large ? OP_LARGE : OP_NUMBER, &m));
	CHECK_OK(ferry_message_write(m, &sent[rank], sizeof sent[rank]));
	if (with_large)
		CHECK_OK(ferry_message_attach(m, large, BYTES, NULL, NULL));
	status = ferry_post_message(engine, rank, m, &future);
	if (status == FERRY_OK)
		sent[rank]++;
	else
		check_end(status);
	ferry_message_release(m);
	return future;
}

static ferry_future *ask(int rank, const uint64_t *number)
{
	ferry_future *future = NULL;
	int status = ferry_call(engine, rank, OP_CALL, number, sizeof *number, &future);

	if (status != FERRY_OK)
		check_end(status);
	return future;
}

/* Every wait ends: if not, the watchdog says so. */
static void await(ferry_future *future)
{
	int status;

	if (!future)
		return;
	status = ferry_future_wait(future, FERRY_FOREVER);
	if (status != FERRY_OK) {
		check_end(status);
		waited = clock_ms();
	}
	ferry_future_release(future);
}

static void go_round(uint64_t number)
{
	ferry_future *futures[RANKS * EACH];
	int n = 0;

	for (int i = 0; i < ranks; i++) {
		if (i == me || is(gone, i))
			continue;
		futures[n++] = post(i, false);
		futures[n++] = ask(i, &number);
		if (number % LARGE_EACH == 0)
			futures[n++] = post(i, true);
	}
	for (int i = 0; i < n; i++)
		await(futures[i]);
	system_sleep_ms(1);
}

static void be_busy(void)
{
	char end[4096];
	int so_far = 0;

	snprintf(end, sizeof end, "%s.end", file);
	for (uint64_t i = 0; ferry_status(engine) == FERRY_OK && access(end, F_OK); i++) {
		int now_gone = how_many_gone();
		if (now_gone != so_far)
			went_on = 0;
		so_far = now_gone;
		go_round(i);
		went_on++;
	}
}

/* ---- the end --------------------------------------------------------------- */

/* All members have said how much they sent, and it has come. */
static void settle(void)
{
	for (int i = 0; i < ranks; i++)
		if (i != me && !is(gone, i))
			CHECK_OK(ferry_post(engine, i, OP_COUNT, &sent[i], sizeof sent[i], NULL));
	for (int i = 0; i < ranks; i++)
		while (i != me && !is(gone, i) && !is(counted, i))
			system_sleep_ms(1);
	if (how_many_gone() == 0)
		CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	else
		system_sleep_ms(300); /* those that are left have come so far, too */
	say("went on", went_on);
}

static void leave(int status)
{
	uint64_t begun = clock_ms();

	CHECK_STATUS(ferry_close(engine), status);
	say("closed in", clock_ms() - begun);
	say("right", 0);
	if (status != FERRY_OK) /* MPI is left as it is */
		_exit(0);
}

int main(int argc, char **argv)
{
	system_watch();
	alarm((unsigned)check_env("PARTED_LIMIT", 100));
	file = argc > 1 ? argv[1] : "/dev/stdout";
	engine = system_open(NULL);
	me = ferry_rank(engine);
	ranks = ferry_size(engine);
	CHECK(ranks <= RANKS);
	system_fill(large, BYTES, 7);
	CHECK_OK(ferry_handle(engine, OP_CALL, FERRY_INLINE, on_call, NULL));
	CHECK_OK(ferry_handle(engine, OP_NUMBER, FERRY_INLINE, on_number, NULL));
	CHECK_OK(ferry_handle(engine, OP_LARGE, FERRY_INLINE, on_number, NULL));
	CHECK_OK(ferry_handle(engine, OP_COUNT, FERRY_INLINE, on_count, NULL));
	CHECK_OK(ferry_on_peer(engine, FERRY_INLINE, on_gone, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	say("ready, process", (uint64_t)getpid());
	be_busy();
	if (waited)
		say("waited until", waited);
	if (ferry_status(engine) != FERRY_OK) {
		CHECK_INT(ferry_status(engine), FERRY_EPEER);
		say("stopped at", clock_ms());
		leave(FERRY_EPEER);
	}
	settle();
	leave(how_many_gone() ? FERRY_EPEER : FERRY_OK);
	return 0;
}
