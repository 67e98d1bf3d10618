/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A receiver that does not read, and four threads that flood it: bodies of 64 KiB, every eighth
 * with an attachment of 4 MiB. Rank 0 floods, rank 1 sits there for 7 s, then reads all of it. What
 * is asked:
 *
 *  - neither side's memory grows by more than 200 MiB, in these 7 s and after they are over;
 *  - nothing is lost: each message comes once, in the order of its thread, with its bytes;
 *  - with a third rank, that the two others still answer its calls meanwhile. It makes one a
 *    millisecond to each of them, before, during the 7 s and while the flood is read.
 *
 *     flood mailbox   nobody calls ferry_recv for 7 s
 *     flood late      it reads for 2 s first, so that its senders have all the credit there is;
 *                     then the same
 *     flood pool      a handler on a pool of one thread sleeps in its first message
 *     flood inline    an inline handler does so, which stops its whole rank; its calls have to
 *                     wait, rank 0's not
 *
 * FLOOD_SECONDS, FLOOD_MIB and FLOOD_CALL_MS change the 7, the 200, and what 99 of 100 calls may
 * take in the 7 s.
 *
 * What is sent is a window of one large pattern, so that the program's own memory does not grow by
 * what is lent to the engine. Its place follows from thread and number.
 */
#include "system.h"

#include <stdarg.h>

enum { THREADS = 4, OP_FLOOD = 1, OP_ECHO, OP_REPORT, OP_PHASE };
enum { BODY = 64 << 10, ATTACHMENT = 4 << 20, PATTERN = 8 << 20, EVERY = 8, CALLS_MAX = 1 << 16 };
enum phase { QUIET, STALLED, READING, OVER, PHASES };

/* In front of each body. */
struct head {
	uint32_t thread, last; /* last: the thread's goodbye, which counts too */
	uint64_t number;
};

static ferry *engine;
static char *pattern;
static double lead, stall, allowed_mib, allowed_ms;
static volatile enum phase phase; /* rank 2's: written by its handler */
static bool inline_sleeps;

/* ---- memory ------------------------------------------------------------ */

/* A line of /proc/self/status, in MiB. */
static double memory_of(const char *name)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256], format[64];
	double kib = -1;

	CHECK(file);
	snprintf(format, sizeof format, "%s: %%lf kB", name);
	while (kib < 0 && fgets(line, sizeof line, file))
		if (sscanf(line, format, &kib) != 1)
			kib = -1;
	fclose(file);
	CHECK(kib >= 0);
	return kib / 1024;
}

struct memory {
	double start, peak_stalled, peak, end;
};

/* The peak since the process began; what was there at `start` is not growth. */
static bool memory_good(const struct memory *m)
{
	return m->peak_stalled - m->start <= allowed_mib && m->peak - m->start <= allowed_mib &&
	       m->end - m->start <= allowed_mib;
}

/* ---- reports: rank 0 prints them --------------------------------------- */

static bool failed;

static void report(bool good, const char *format, ...)
{
	char text[512];
	va_list arguments;
	int n = snprintf(text, sizeof text, "%s", good ? "PASS: " : "FAIL: ");

	va_start(arguments, format);
	n += vsnprintf(text + n, sizeof text - (size_t)n, format, arguments);
	va_end(arguments);
	if (ferry_rank(engine) == 0)
		puts(text);
	else
		CHECK_OK(ferry_post(engine, 0, OP_REPORT, text, (size_t)n + 1, NULL));
	failed |= !good;
}

static void report_memory(const char *who, const struct memory *m)
{
	report(memory_good(m),
	       "%s: peak %.0f MiB more while nobody read, %.0f until the end, %.0f more are left "
	       "after it (may be %.0f)",
	       who, m->peak_stalled - m->start, m->peak - m->start, m->end - m->start, allowed_mib);
}

/* So many reports of others. */
static void print_reports(unsigned count)
{
	for (ferry_message *message; count > 0; count--) {
		CHECK_OK(ferry_recv(engine, FERRY_ANY, OP_REPORT, FERRY_S(30), &message));
		puts(ferry_message_body(message, NULL));
		failed |= strncmp(ferry_message_body(message, NULL), "FAIL", 4) == 0;
		ferry_message_release(message);
	}
}

static void tell_phase(enum phase now)
{
	if (ferry_size(engine) > 2)
		CHECK_OK(ferry_post(engine, 2, OP_PHASE, &now, sizeof now, NULL));
}

/* ---- rank 0 ------------------------------------------------------------ */

static double flood_until;
static uint64_t flood_sent[THREADS];

static const char *bytes_of(const struct head *head, size_t nbytes)
{
	return pattern + (head->number * 4099 + head->thread * 65537) % (PATTERN - nbytes);
}

static void send_one(const struct head *head)
{
	ferry_message *message;

	CHECK_OK(ferry_message_create(engine, OP_FLOOD, &message));
	CHECK_OK(ferry_message_write(message, head, sizeof *head));
	CHECK_OK(ferry_message_write(message, bytes_of(head, BODY), BODY - sizeof *head));
	if (head->number % EVERY == 0)
		CHECK_OK(ferry_message_attach(message, bytes_of(head, ATTACHMENT), ATTACHMENT, NULL,
		                              NULL));
	CHECK_OK(ferry_post_message(engine, 1, message, NULL));
	ferry_message_release(message);
}

static void *flood(void *arg)
{
	struct head head = { (uint32_t)(uintptr_t)arg, 0, 0 };

	for (; system_now() < flood_until; head.number++)
		send_one(&head);
	head.last = 1;
	send_one(&head);
	flood_sent[head.thread] = head.number + 1;
	CHECK_OK(ferry_flush(engine, 1, FERRY_FOREVER));
	return NULL;
}

static void flood_all(struct memory *m)
{
	pthread_t threads[THREADS];
	uint64_t sent = 0;

	flood_until = system_now() + lead + stall + 1;
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, flood, (void *)i) == 0);
	system_sleep_ms((unsigned)(lead * 1000));
	/* rank 1 may be unable to: what an inline handler posts leaves when it returns */
	tell_phase(STALLED);
	system_sleep_ms((unsigned)(stall * 1000));
	m->peak_stalled = memory_of("VmHWM");
	for (int i = 0; i < THREADS; i++) {
		CHECK(pthread_join(threads[i], NULL) == 0);
		sent += flood_sent[i];
	}
	printf("%llu messages were sent, of %d threads\n", (unsigned long long)sent, THREADS);
}

/* ---- rank 1 ------------------------------------------------------------ */

static uint64_t next_number[THREADS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_read = PTHREAD_COND_INITIALIZER;
static unsigned goodbyes;            /* under lock */
static volatile double peak_stalled; /* taken by whoever reads first */

static void check_one(ferry_message *message)
{
	size_t nbytes;
	const char *body = ferry_message_body(message, &nbytes), *attachment;
	struct head head;

	CHECK_INT(nbytes, BODY);
	memcpy(&head, body, sizeof head);
	CHECK(head.thread < THREADS);
	CHECK_INT(head.number, next_number[head.thread]);
	next_number[head.thread]++;
	CHECK(memcmp(body + sizeof head, bytes_of(&head, BODY), BODY - sizeof head) == 0);
	CHECK_INT(ferry_message_attachments(message), head.number % EVERY == 0);
	if (head.number % EVERY == 0) {
		attachment = ferry_message_attachment(message, 0, &nbytes);
		CHECK_INT(nbytes, ATTACHMENT);
		CHECK(memcmp(attachment, bytes_of(&head, ATTACHMENT), ATTACHMENT) == 0);
	}
	if (!head.last)
		return;
	pthread_mutex_lock(&lock);
	goodbyes++;
	pthread_cond_signal(&all_read);
	pthread_mutex_unlock(&lock);
}

static void sit_there(void)
{
	system_sleep_ms((unsigned)(stall * 1000));
	peak_stalled = memory_of("VmHWM");
	tell_phase(READING);
}

static void sleep_then_handle(ferry *on, ferry_message *message, void *arg)
{
	(void)on;
	(void)arg;
	if (peak_stalled == 0)
		sit_there();
	check_one(message);
}

static void read_one(void)
{
	ferry_message *message;

	CHECK_OK(ferry_recv(engine, FERRY_ANY, OP_FLOOD, FERRY_S(60), &message));
	check_one(message);
	ferry_message_release(message);
}

static void read_mail(void)
{
	double begin = system_now();

	while (system_now() - begin < lead)
		read_one();
	sit_there();
	while (goodbyes < THREADS)
		read_one();
}

static void await_goodbyes(void)
{
	pthread_mutex_lock(&lock);
	while (goodbyes < THREADS)
		pthread_cond_wait(&all_read, &lock);
	pthread_mutex_unlock(&lock);
}

/* ---- rank 2 ------------------------------------------------------------ */

static void on_echo(ferry *on, ferry_message *message, void *arg)
{
	(void)on;
	(void)arg;
	CHECK_OK(ferry_reply(message, NULL, 0));
}

static void on_phase(ferry *on, ferry_message *message, void *arg)
{
	enum phase now;

	(void)on;
	(void)arg;
	memcpy(&now, ferry_message_body(message, NULL), sizeof now);
	phase = now;
}

/* Times of calls to one rank, in ms. */
struct times {
	unsigned count;
	double ms[CALLS_MAX];
};
static struct times calls[2][PHASES];

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void *call_often(void *arg)
{
	int rank = (int)(uintptr_t)arg;

	while (phase < OVER) {
		enum phase begun = phase;
		double start = system_now();
		struct times *t = &calls[rank][begun];
		ferry_future *future;

		CHECK_OK(ferry_call(engine, rank, OP_ECHO, NULL, 0, &future));
		CHECK_OK(ferry_future_wait(future, FERRY_FOREVER));
		ferry_future_release(future);
		if (t->count < CALLS_MAX)
			t->ms[t->count++] = 1000 * (system_now() - start);
		system_sleep_ms(1);
	}
	return NULL;
}

static void report_calls(int rank, enum phase when, const char *what)
{
	struct times *t = &calls[rank][when];
	double p99;
	bool counts = when == STALLED && !(inline_sleeps && rank == 1);

	if (!t->count) {
		report(!counts, "calls of rank 2 to rank %d, %s: none came back", rank, what);
		return;
	}
	qsort(t->ms, t->count, sizeof t->ms[0], compare);
	p99 = t->ms[(t->count - 1) * 99 / 100];
	report(!counts || p99 <= allowed_ms,
	       "calls of rank 2 to rank %d, %s: %u; 50 %% %.3f ms, 99 %% %.3f, longest %.3f%s",
	       rank, what, t->count, t->ms[t->count / 2], p99, t->ms[t->count - 1],
	       counts ? "" : " (no limit)");
}

static void call_both(void)
{
	static const char *const names[] = { "before", "while nobody reads", "while it is read" };
	pthread_t threads[2];

	for (uintptr_t i = 0; i < 2; i++)
		CHECK(pthread_create(&threads[i], NULL, call_often, (void *)i) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	for (int rank = 0; rank < 2; rank++)
		for (enum phase when = QUIET; when < OVER; when++)
			report_calls(rank, when, names[when]);
}

/* ---- the run ----------------------------------------------------------- */

static void pattern_create(void)
{
	uint64_t state = 7;

	pattern = malloc(PATTERN);
	CHECK(pattern);
	for (size_t i = 0; i < PATTERN; i += sizeof state) {
		state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
		memcpy(pattern + i, &state, sizeof state);
	}
}

/* The third rank calls for a second before the flood begins. */
static void quiet_second(void)
{
	if (ferry_size(engine) > 2)
		system_sleep_ms(1000);
}

static void run_receiver(const char *way, struct memory *m)
{
	ferry_executor *pool = FERRY_INLINE;
	bool by_mail = strcmp(way, "mailbox") == 0 || strcmp(way, "late") == 0;

	if (strcmp(way, "pool") == 0)
		CHECK_OK(ferry_workers_create(engine, 1, &pool));
	if (!by_mail)
		CHECK_OK(ferry_handle(engine, OP_FLOOD, pool, sleep_then_handle, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	quiet_second();
	if (by_mail)
		read_mail();
	else
		await_goodbyes();
	tell_phase(OVER);
	system_sleep_ms(1000);
	m->peak_stalled = peak_stalled;
	ferry_executor_destroy(pool);
}

static void run_sender(struct memory *m)
{
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	quiet_second();
	flood_all(m);
	system_sleep_ms(1000);
}

static void run(const char *way)
{
	struct memory m = { .start = memory_of("VmRSS") };

	if (ferry_rank(engine) == 0)
		run_sender(&m);
	else if (ferry_rank(engine) == 1)
		run_receiver(way, &m);
	else if (ferry_fence(engine, FERRY_FOREVER) == FERRY_OK)
		call_both();
	m.peak = memory_of("VmHWM");
	m.end = memory_of("VmRSS");
	if (ferry_rank(engine) == 1) {
		report_memory("receiver", &m);
		report(true, "each message came once, in order, with its bytes");
	}
	if (ferry_rank(engine) == 0) {
		report_memory("sender", &m);
		print_reports(ferry_size(engine) > 2 ? 2 + 2 * OVER : 2);
	}
}

int main(int argc, char **argv)
{
	ferry_options options = FERRY_OPTIONS_INIT;

	if (argc != 2)
		CHECK_FAIL("say how the receiver does not read: mailbox, late, pool or inline");
	inline_sleeps = strcmp(argv[1], "inline") == 0;
	lead = strcmp(argv[1], "late") == 0 ? 2 : 0;
	stall = (double)check_env("FLOOD_SECONDS", 7);
	allowed_mib = (double)check_env("FLOOD_MIB", 200);
	allowed_ms = (double)check_env("FLOOD_CALL_MS", 20);
	options.receive_memory = 64 << 20;
	pattern_create();
	CHECK_OK(ferry_open(&options, &engine));
	CHECK_OK(ferry_handle(engine, OP_ECHO, FERRY_INLINE, on_echo, NULL));
	CHECK_OK(ferry_handle(engine, OP_PHASE, FERRY_INLINE, on_phase, NULL));
	if (ferry_size(engine) < 2 || ferry_size(engine) > 3)
		CHECK_FAIL("flood runs on 2 or 3 ranks, not on %d", ferry_size(engine));
	run(argv[1]);
	CHECK_OK(ferry_close(engine));
	free(pattern);
	return failed;
}
