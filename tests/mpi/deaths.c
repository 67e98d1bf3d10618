/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One of four ranks dies in the middle of something: `deaths HOW WHEN FILE [SEED]`. The waits of
 * the others end, in time: with FERRY_EPEER where that rank is concerned, with FERRY_OK elsewhere.
 * They are told who is gone, go on with one another meanwhile and afterwards, and close. deaths.sh
 * runs it, with launchers that leave the others alive.
 *
 * HOW   kill, exit, stop (and go on when the others have closed), abort
 * WHEN  idle, posts, calls, send and receive (large messages, seen from the rank that dies), large
 *       (both ways), fence, close, open
 * FILE  is where all say how it went: the launcher loses what is printed right before the end
 * SEED  moves the moment of the death
 */
#include <ferry.h>

#include "system.h"

#include <fcntl.h>
#include <mpi.h>
#include <sys/types.h>

enum {
	VICTIM = 2,
	RANKS = 4,
	OP_CALL = 1,
	OP_POST,
	OP_LARGE,
	OP_PING,
	OP_NEIGHBOUR,
	OP_DONE,
	IN_FLIGHT = 16,
	WAITS = 64,
	ROUNDS = 1 << 18
};
#define TIMEOUT FERRY_S(1)
#define LIMIT (1.5 * (double)TIMEOUT / 1e9 + 2) /* of each wait, from the death on */
#define MEMORY ((size_t)64 << 20)               /* options.receive_memory */
#define BYTES ((size_t)16 << 20)                /* of a large message */
#define WORD ((size_t)1 << 16)                  /* each of so many bytes one number is looked at */
#define BURST 32                                /* posts for each call between neighbours */

static ferry *engine;
static int me;
static const char *file, *how, *when;
static unsigned seed;
static unsigned char *large_bytes;
static struct system_counter told = SYSTEM_COUNTER_INIT, done = SYSTEM_COUNTER_INIT,
			     neighbours = SYSTEM_COUNTER_INIT, large_came = SYSTEM_COUNTER_INIT;
static double told_at; /* under told's lock, as it is counted */

static bool is(const char *text, const char *what)
{
	return strcmp(text, what) == 0;
}

/* ---- what is said in the file ---------------------------------------------------------- */

static void say(const char *line)
{
	int fd = open(file, O_WRONLY | O_APPEND | O_CREAT, 0600);
	ssize_t n = (ssize_t)strlen(line);
	CHECK(fd >= 0 && write(fd, line, (size_t)n) == n);
	close(fd);
}

/* Only what a child of a process with threads may call. Returns how often it was said. */
static int how_often(const char *what, double *number)
{
	static char text[8192];
	int fd = open(file, O_RDONLY), count = 0;
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	for (const char *at = text; (at = strstr(at, what)); count++) {
		at += strlen(what);
		if (number)
			*number = strtod(at, NULL);
	}
	return count;
}

/* ---- waits -------------------------------------------------------------------------------- */

/* Those that were long. What counts of each is what is behind the death. */
static struct {
	pthread_mutex_t lock;
	unsigned count;
	struct {
		double begun, ended;
	} of[WAITS];
} waits = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void waited(double begun)
{
	double now = system_now();
	if (now - begun < 0.01)
		return;
	pthread_mutex_lock(&waits.lock);
	unsigned at = waits.count++ % WAITS;
	waits.of[at].begun = begun;
	waits.of[at].ended = now;
	pthread_mutex_unlock(&waits.lock);
}

static double longest_wait(double died)
{
	double longest = 0;
	for (unsigned i = 0; i < waits.count && i < WAITS; i++) {
		double from = waits.of[i].begun > died ? waits.of[i].begun : died;
		double length = waits.of[i].ended - from;
		longest = length > longest ? length : longest;
	}
	return longest;
}

/* ---- handlers ----------------------------------------------------------------------------- */

static void on_call(ferry *e, ferry_message *m, void *arg)
{
	(void)e;
	(void)arg;
	ferry_reply(m, "here", 4); /* which fails on a rank that has ended */
}

static void on_post(ferry *e, ferry_message *m, void *arg)
{
	(void)e;
	(void)m;
	if (arg)
		system_count(arg, 1);
}

/* A large message comes whole or not at all. */
static void on_large(ferry *e, ferry_message *m, void *arg)
{
	size_t nbytes;
	(void)e;
	(void)arg;
	const unsigned char *bytes = ferry_message_attachment(m, 0, &nbytes);
	CHECK(bytes && nbytes == BYTES);
	for (size_t at = 0; at < BYTES; at += WORD)
		CHECK(memcmp(bytes + at, large_bytes + at, sizeof(uint64_t)) == 0);
	system_count(&large_came, 1);
}

/* All that the neighbour posted before it said so has come. Another one says 0. */
static void on_done(ferry *e, ferry_message *m, void *arg)
{
	uint64_t posted;
	size_t nbytes;
	(void)e;
	(void)arg;
	memcpy(&posted, ferry_message_body(m, &nbytes), sizeof posted);
	CHECK(posted == 0 || posted == system_counted(&neighbours));
	system_count(&done, 1);
}

static void on_gone(ferry *e, int rank, int status, const char *why, void *arg)
{
	(void)e;
	(void)why;
	(void)arg;
	CHECK(status == FERRY_EPEER);
	if (rank != VICTIM) /* others leave when they close */
		return;
	pthread_mutex_lock(&told.lock);
	told_at = told.value++ ? told_at : system_now();
	pthread_mutex_unlock(&told.lock);
}

/* ---- what is under way -------------------------------------------------------------------- */

/* FERRY_EMPI: MPI itself refused to send to the victim, as it does over TCP. */
static bool is_over(int status)
{
	CHECK(status == FERRY_OK || status == FERRY_EPEER || status == FERRY_EMPI ||
	      status == FERRY_ESTOPPED);
	return status != FERRY_OK;
}

static ferry_future *ask(int rank)
{
	ferry_future *future = NULL;
	double begun = system_now();
	is_over(ferry_call(engine, rank, OP_CALL, "?", 1, &future));
	waited(begun);
	return future;
}

/* NULL: what it is of was refused. */
static int answer(ferry_future *future)
{
	double begun = system_now();
	int status = future ? ferry_future_wait(future, FERRY_S(20)) : FERRY_EPEER;
	waited(begun);
	ferry_future_release(future);
	is_over(status);
	return status;
}

static ferry_future *post(int rank)
{
	ferry_future *future = NULL;
	double begun = system_now();
	is_over(ferry_post(engine, rank, OP_POST, "twelve bytes", 12, &future));
	waited(begun);
	return future;
}

static ferry_future *give_large(int rank)
{
	ferry_message *m;
	ferry_future *future = NULL;
	double begun = system_now();
	if (is_over(ferry_message_create(engine, OP_LARGE, &m)))
		return NULL;
	CHECK(ferry_message_attach(m, large_bytes, BYTES, NULL, NULL) == FERRY_OK);
	is_over(ferry_post_message(engine, rank, m, &future));
	ferry_message_release(m);
	waited(begun);
	return future;
}

/* The ranks that this one speaks to: the others have to do with the victim alone. */
static int target(unsigned turn)
{
	static const int others[] = { 0, 1, 3 };
	return me == VICTIM ? others[turn % 3] : VICTIM;
}

/* So many of these at a time, until one of them does not end well. */
static void flood(ferry_future *(*one)(int rank), unsigned at_a_time)
{
	ferry_future *futures[IN_FLIGHT] = { NULL };
	bool over = false;
	for (unsigned i = 0; i < at_a_time; i++)
		futures[i] = one(target(i));
	for (unsigned turn = 0; !over; turn++) {
		over = answer(futures[turn % at_a_time]) != FERRY_OK;
		futures[turn % at_a_time] = over ? NULL : one(target(turn));
	}
	for (unsigned i = 0; i < at_a_time; i++)
		if (futures[i])
			answer(futures[i]);
}

static void in_a_fence(void)
{
	if (me == 3 && seed % 2 == 0) /* so the victim dies in it */
		system_sleep_ms(300);
	double begun = system_now();
	is_over(ferry_fence(engine, FERRY_S(20)));
	waited(begun);
}

/* Until the victim is gone; the victim itself until it dies. */
static void act(void)
{
	bool receives = me != VICTIM || is(when, "large"),
	     sends = me == VICTIM || is(when, "large");
	if (is(when, "idle"))
		system_sleep_ms(300);
	if (is(when, "posts"))
		flood(post, IN_FLIGHT);
	if (is(when, "calls"))
		flood(ask, IN_FLIGHT);
	if ((is(when, "send") && sends) || (is(when, "receive") && receives) || is(when, "large"))
		flood(give_large, 3);
	if (is(when, "fence"))
		in_a_fence();
}

/* ---- the victim --------------------------------------------------------------------------- */

/* The victim goes on by itself when the others have ended. */
static void stop(void)
{
	pid_t parent = getpid();
	if (fork() == 0) {
		for (int i = 0; i < 300 && how_often("end: ", NULL) < RANKS - 1; i++)
			usleep(50000);
		kill(parent, SIGCONT);
		_exit(0);
	}
	kill(parent, SIGSTOP);
}

static void die(void)
{
	char line[60];
	snprintf(line, sizeof line, "died: %.6f\n", system_now());
	say(line);
	if (is(how, "kill"))
		kill(getpid(), SIGKILL);
	if (is(how, "exit"))
		_exit(0);
	if (is(how, "stop"))
		stop();
	if (is(how, "abort"))
		ferry_abort(engine, FERRY_EREMOTE);
}

/* Beside what the victim does. */
static void *die_soon(void *arg)
{
	(void)arg;
	usleep(50000 + (unsigned)(system_mix(seed) % 100000));
	die();
	return NULL;
}

/* The victim lives, and is left out: all that it waits for ends, too. */
static void live_on(void)
{
	int status, ended = is(how, "abort") ? FERRY_EREMOTE : FERRY_EPEER;
	if (!is(when, "close")) {
		while ((status = answer(ask(0))) == FERRY_OK) /* it takes effect soon */
			;
		while (ferry_status(engine) == FERRY_OK)
			system_sleep_ms(1);
		CHECK(ferry_status(engine) == ended);
	}
	CHECK_STATUS(ferry_close(engine), ended);
	say("the one that was left out has stopped\n");
}

/* ---- those that go on ------------------------------------------------------------------- */

/* Calls and posts to the next of those that live, all the time. */
static struct {
	bool over; /* under waits.lock */
	unsigned count;
	struct {
		double begun, ended;
	} of[ROUNDS]; /* calls, each behind BURST posts */
} rounds;

static bool rounds_are_over(void)
{
	pthread_mutex_lock(&waits.lock);
	bool over = rounds.over;
	pthread_mutex_unlock(&waits.lock);
	return over;
}

static void *go_round(void *arg)
{
	static const int next[RANKS] = { 1, 3, -1, 0 };
	ferry_future *future;
	uint64_t posted = 0;
	(void)arg;
	while (!rounds_are_over()) {
		for (int i = 0; i < BURST; i++, posted++)
			CHECK_OK(ferry_post(engine, next[me], OP_NEIGHBOUR, "one", 3, NULL));
		double begun = system_now();
		CHECK_OK(ferry_call(engine, next[me], OP_PING, "?", 1, &future));
		CHECK_OK(ferry_future_wait(future, FERRY_S(20)));
		ferry_future_release(future);
		waited(begun);
		unsigned at = rounds.count++ % ROUNDS;
		rounds.of[at].begun = begun;
		rounds.of[at].ended = system_now();
	}
	CHECK(posted > 0);
	for (int i = 0; i < RANKS; i++) {
		uint64_t said = i == next[me] ? posted : 0;
		if (i == me || i == VICTIM)
			continue;
		CHECK_OK(ferry_post(engine, i, OP_DONE, &said, sizeof said, &future));
		CHECK_OK(ferry_future_wait(future, FERRY_S(20)));
		ferry_future_release(future);
	}
	return NULL;
}

/* Posts a second, and how long a call took in us, between two moments. */
static void rate(double from, double until, double *posts, double *took)
{
	unsigned count = 0;
	double sum = 0;
	for (unsigned i = 0; i < rounds.count && i < ROUNDS; i++)
		if (rounds.of[i].begun >= from && rounds.of[i].ended < until) {
			sum += rounds.of[i].ended - rounds.of[i].begun;
			count++;
		}
	*posts = until > from ? count * BURST / (until - from) : 0;
	*took = count ? 1e6 * sum / count : 0;
}

/* In KiB. */
static unsigned long memory_now(const char *what)
{
	char line[200];
	unsigned long value = 0;
	FILE *status = fopen("/proc/self/status", "r");
	CHECK(status);
	while (fgets(line, sizeof line, status))
		if (strncmp(line, what, strlen(what)) == 0)
			value = strtoul(line + strlen(what), NULL, 10);
	fclose(status);
	CHECK(value);
	return value;
}

static double close_in_time(void)
{
	double begun = system_now();
	CHECK_STATUS(ferry_close(engine), FERRY_EPEER);
	return system_now() - begun;
}

/* What the table of runs is made of: all of it behind the death. */
static void report(double begun, double closing, unsigned long memory)
{
	char line[300];
	double died = 0, before, before_us, during, during_us;
	CHECK(how_often("died: ", &died) == 1);
	unsigned long grown = memory_now("VmHWM:");
	grown = grown > memory ? grown - memory : 0;
	double longest = longest_wait(died), seen = told.value ? told_at : died;
	rate(begun, died, &before, &before_us);
	rate(died, seen, &during, &during_us);
	snprintf(line, sizeof line,
	         "end: rank=%d longest=%.3f told=%.3f close=%.3f grown=%lu posts=%.0f us=%.0f "
	         "posts_during=%.0f us_during=%.0f large=%llu\n",
	         me, longest, seen - died, closing, grown >> 10, before, before_us, during,
	         during_us, (unsigned long long)system_counted(&large_came));
	CHECK(longest < LIMIT);
	CHECK(closing < LIMIT);
	CHECK(grown << 10 <= MEMORY);
	say(line);
}

/* The victim is gone, the others are not, and all that they sent one another comes. */
static void take_leave(pthread_t neighbour)
{
	double begun = system_now();
	while (answer(ask(VICTIM)) == FERRY_OK) /* it has not died yet */
		CHECK(system_now() - begun < 10);
	while (!system_counted(&told))
		system_sleep_ms(1);
	CHECK(ferry_peer_status(engine, VICTIM) == FERRY_EPEER);
	for (int i = 0; i < RANKS; i++)
		if (i != VICTIM)
			CHECK_OK(answer(ask(i)));
	pthread_mutex_lock(&waits.lock);
	rounds.over = true;
	pthread_mutex_unlock(&waits.lock);
	pthread_join(neighbour, NULL);
	while (system_counted(&done) < RANKS - 2) /* then nobody asks any more */
		system_sleep_ms(1);
	system_sleep_ms(200); /* and what was posted here has come */
	CHECK_INT(system_counted(&told), 1);
}

static void survive(void)
{
	pthread_t neighbour;
	double begun = system_now(), closing;
	unsigned long memory = memory_now("VmRSS:");
	if (!is(when, "close")) {
		CHECK(pthread_create(&neighbour, NULL, go_round, NULL) == 0);
		act();
		take_leave(neighbour);
		closing = close_in_time();
	} else {
		if (me == 3)
			system_sleep_ms(300); /* so the victim dies in it */
		closing = system_now();
		CHECK_STATUS(ferry_close(engine), FERRY_EPEER);
		waited(closing);
		closing = 0; /* it is among the waits */
	}
	report(begun, closing, memory);
}

static void be_the_victim(void)
{
	pthread_t death;
	CHECK(pthread_create(&death, NULL, die_soon, NULL) == 0);
	if (is(when, "close")) {
		live_on();
		return;
	}
	act();
	pthread_join(death, NULL);
	live_on();
}

static int open_engine(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	options.peer_timeout = TIMEOUT;
	options.close_timeout = FERRY_S(1);
	options.receive_memory = MEMORY;
	return ferry_open(&options, &engine);
}

/* The victim dies when MPI is there, and before it has come to the open. */
static void at_open(void)
{
	int provided;
	CHECK(MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided) == MPI_SUCCESS);
	MPI_Comm_rank(MPI_COMM_WORLD, &me);
	double begun = system_now();
	unsigned long memory = memory_now("VmRSS:");
	if (me == VICTIM) {
		die_soon(NULL);
		say("the one that was left out has stopped\n");
		return;
	}
	CHECK_STATUS(open_engine(), FERRY_EPEER);
	waited(begun);
	report(begun, 0, memory);
}

static void prepare(void)
{
	CHECK_OK(open_engine());
	CHECK(ferry_size(engine) == RANKS);
	me = ferry_rank(engine);
	large_bytes = malloc(BYTES);
	CHECK(large_bytes);
	system_fill(large_bytes, BYTES, 1);
	memset(&rounds, 1, sizeof rounds); /* so that they do not count as memory that grew */
	memset(&rounds, 0, sizeof rounds);
	CHECK_OK(ferry_handle(engine, OP_CALL, FERRY_INLINE, on_call, NULL));
	CHECK_OK(ferry_handle(engine, OP_PING, FERRY_INLINE, on_call, NULL));
	CHECK_OK(ferry_handle(engine, OP_POST, FERRY_INLINE, on_post, NULL));
	CHECK_OK(ferry_handle(engine, OP_NEIGHBOUR, FERRY_INLINE, on_post, &neighbours));
	CHECK_OK(ferry_handle(engine, OP_LARGE, FERRY_INLINE, on_large, NULL));
	CHECK_OK(ferry_handle(engine, OP_DONE, FERRY_INLINE, on_done, NULL));
	CHECK_OK(ferry_on_peer(engine, FERRY_INLINE, on_gone, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_S(20)));
}

static void wait_until_said(const char *what, int times)
{
	for (int i = 0; i < 50 && how_often(what, NULL) < times; i++)
		system_sleep_ms(100);
}

int main(int argc, char **argv)
{
	how = argc > 1 ? argv[1] : "abort";
	when = argc > 2 ? argv[2] : "calls";
	file = argc > 3 ? argv[3] : "/dev/stdout";
	seed = argc > 4 ? (unsigned)atoi(argv[4]) : 0;
	system_watch();
	alarm(25);
	if (is(when, "open")) {
		at_open();
	} else {
		prepare();
		if (me == VICTIM)
			be_the_victim();
		else
			survive();
	}
	/* the launcher may end who is still about it with the first that ends */
	wait_until_said("end: ", RANKS - 1);
	if (is(how, "stop"))
		wait_until_said("left out has", 1);
	_exit(0);
}
