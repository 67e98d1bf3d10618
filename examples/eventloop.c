/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread, one event loop: a timer, sockets and Ferry.
 *
 * A client on loopback sends numbers, a line each. The server, in the same thread, asks the next
 * rank for the square of each (ferry_call) and goes on. The calls complete in a queue. The loop
 * also watches the queue's descriptor: when that is readable the loop runs the queue, and the
 * callbacks write the answers to the socket. Meanwhile a timer ticks. Only the loop itself waits.
 *
 * The loop is libuv's if configure found it, else epoll and a timerfd. At the end the client has
 * compared every answer with its own.
 *
 *   mpiexec -n 2 eventloop [numbers]        (or alone)
 */
#include <arpa/inet.h>
#include <ferry.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OP_SQUARE = 1, TICK_MS = 2, TICKS = 5, WINDOW = 64, NUMBERS_MAX = 1000000000 };

static void check(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "eventloop: %s failed (%s)\n", what, ferry_last_error());
	_exit(1);
}
#define CHECK(expression) check((expression), #expression)

/* ---- the loop: call `fn` whenever `fd` is readable, or every so many ms ---- */

typedef void event_fn(void *arg);

struct event {
	event_fn *fn;
	void *arg;
	struct event *next;
	struct loop_source *source;
};
static struct event *events; /* all of them, freed at the end */

static struct event *event_create(event_fn *fn, void *arg)
{
	struct event *event = malloc(sizeof *event);

	CHECK(event != NULL);
	*event = (struct event){ .fn = fn, .arg = arg, .next = events };
	events = event;
	return event;
}

#ifdef WITH_LIBUV
#include <uv.h>

#define LOOP "libuv"

struct loop_source {
	union {
		uv_handle_t handle;
		uv_poll_t poll;
		uv_timer_t timer;
	} uv;
};
static uv_loop_t loop;

static struct loop_source *source_create(struct event *event)
{
	event->source = malloc(sizeof *event->source);
	CHECK(event->source != NULL);
	event->source->uv.handle.data = event;
	return event->source;
}

static void on_poll(uv_poll_t *poll, int status, int what)
{
	struct event *event = poll->data;

	CHECK(status == 0 && (what & UV_READABLE));
	event->fn(event->arg);
}

static void on_timer(uv_timer_t *timer)
{
	struct event *event = timer->data;

	event->fn(event->arg);
}

static void loop_open(void)
{
	CHECK(uv_loop_init(&loop) == 0);
}

static void loop_watch(int fd, event_fn *fn, void *arg)
{
	uv_poll_t *poll = &source_create(event_create(fn, arg))->uv.poll;
	void *event = poll->data;

	CHECK(uv_poll_init(&loop, poll, fd) == 0);
	poll->data = event;
	CHECK(uv_poll_start(poll, UV_READABLE, on_poll) == 0);
}

static void loop_tick(unsigned ms, event_fn *fn, void *arg)
{
	uv_timer_t *timer = &source_create(event_create(fn, arg))->uv.timer;
	void *event = timer->data;

	CHECK(uv_timer_init(&loop, timer) == 0);
	timer->data = event;
	CHECK(uv_timer_start(timer, on_timer, ms, ms) == 0);
}

static void loop_run(void)
{
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void loop_stop(void)
{
	uv_stop(&loop);
}

static void loop_close(void)
{
	for (struct event *event = events; event; event = event->next)
		uv_close(&event->source->uv.handle, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	CHECK(uv_loop_close(&loop) == 0);
	for (struct event *event = events; event; event = event->next)
		free(event->source);
}

#else
#include <sys/epoll.h>
#include <sys/timerfd.h>

#define LOOP "epoll"

struct loop_source {
	int timer; /* or -1 */
};
static int loop = -1;
static int stopped;

static void loop_open(void)
{
	loop = epoll_create1(EPOLL_CLOEXEC);
	CHECK(loop >= 0);
}

static struct event *add(int fd, event_fn *fn, void *arg)
{
	struct event *event = event_create(fn, arg);
	struct epoll_event what = { .events = EPOLLIN, .data.ptr = event };

	CHECK(epoll_ctl(loop, EPOLL_CTL_ADD, fd, &what) == 0);
	return event;
}

static void loop_watch(int fd, event_fn *fn, void *arg)
{
	add(fd, fn, arg);
}

static void loop_tick(unsigned ms, event_fn *fn, void *arg)
{
	long ns = (long)ms * 1000000;
	struct itimerspec every = { { 0, ns }, { 0, ns } };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	CHECK(timer >= 0 && timerfd_settime(timer, 0, &every, NULL) == 0);
	struct event *event = add(timer, fn, arg);
	event->source = malloc(sizeof *event->source);
	CHECK(event->source != NULL);
	event->source->timer = timer;
}

static void loop_run(void)
{
	while (!stopped) {
		struct epoll_event what;
		uint64_t ticks = 0;

		if (epoll_wait(loop, &what, 1, -1) != 1)
			continue;
		struct event *event = what.data.ptr;
		if (event->source)
			CHECK(read(event->source->timer, &ticks, sizeof ticks) == sizeof ticks);
		event->fn(event->arg);
	}
}

static void loop_stop(void)
{
	stopped = 1;
}

static void loop_close(void)
{
	for (struct event *event = events; event; event = event->next) {
		if (event->source)
			close(event->source->timer);
		free(event->source);
	}
	close(loop);
}
#endif

/* ---- lines over a socket ----------------------------------------------- */

struct lines {
	int fd;
	size_t filled;
	char buffer[4096];
};

/* Read what is there now, and give each whole line to `fn`. */
static void read_lines(struct lines *lines, void (*fn)(const char *line))
{
	ssize_t n = recv(lines->fd, lines->buffer + lines->filled,
	                 sizeof lines->buffer - lines->filled - 1, MSG_DONTWAIT);
	char *line = lines->buffer, *end;

	if (n <= 0)
		return;
	lines->filled += (size_t)n;
	lines->buffer[lines->filled] = 0;
	while ((end = strchr(line, '\n')) != NULL) {
		*end = 0;
		fn(line);
		line = end + 1;
	}
	lines->filled = strlen(line);
	memmove(lines->buffer, line, lines->filled);
}

/* WINDOW short lines fit into any socket's buffer. */
static void write_line(int fd, const char *line)
{
	size_t length = strlen(line);

	CHECK(send(fd, line, length, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)length);
}

/* ---- the server: a number comes in, its square goes out when another rank has told it ---- */

static ferry *engine;
static ferry_executor *queue;
static struct lines server = { .fd = -1 }, client = { .fd = -1 };
static int listener = -1;

static void square(ferry *on, ferry_message *request, void *arg)
{
	uint64_t number;

	(void)on;
	(void)arg;
	memcpy(&number, ferry_message_body(request, NULL), sizeof number);
	number *= number;
	CHECK(ferry_reply(request, &number, sizeof number) == FERRY_OK);
}

/* Runs in the loop, because callbacks of a queue run on the thread that runs the queue. */
static void squared(ferry_future *future, int status, void *arg)
{
	ferry_message *reply;
	uint64_t number = (uint64_t)(uintptr_t)arg, result;
	char line[64];

	check(status == FERRY_OK, "a call");
	CHECK(ferry_future_take(future, &reply) == FERRY_OK);
	memcpy(&result, ferry_message_body(reply, NULL), sizeof result);
	ferry_message_release(reply);
	ferry_future_release(future);
	snprintf(line, sizeof line, "%" PRIu64 " %" PRIu64 "\n", number, result);
	write_line(server.fd, line);
}

static void serve_line(const char *line)
{
	uint64_t number = strtoull(line, NULL, 10);
	int next = (ferry_rank(engine) + 1) % ferry_size(engine);
	ferry_future *future;

	CHECK(ferry_call(engine, next, OP_SQUARE, &number, sizeof number, &future) == FERRY_OK);
	CHECK(ferry_future_then(future, queue, squared, (void *)(uintptr_t)number) == FERRY_OK);
}

static void serve(void *arg)
{
	(void)arg;
	read_lines(&server, serve_line);
}

static void run_queue(void *arg)
{
	(void)arg;
	CHECK(ferry_executor_run(queue, 0, 0) >= 0);
}

/* ---- the client: asks, compares ---------------------------------------- */

static uint64_t numbers, asked, answered;
static unsigned ticks;

static void ask(void)
{
	char line[32];

	if (asked == numbers)
		return;
	snprintf(line, sizeof line, "%" PRIu64 "\n", ++asked);
	write_line(client.fd, line);
}

static void stop_when_done(void)
{
	if (answered == numbers && ticks >= TICKS)
		loop_stop();
}

static void compare(const char *line)
{
	uint64_t number, result;

	CHECK(sscanf(line, "%" SCNu64 " %" SCNu64, &number, &result) == 2);
	CHECK(number >= 1 && number <= asked && result == number * number);
	answered++;
	ask();
	stop_when_done();
}

static void listen_to_answers(void *arg)
{
	(void)arg;
	read_lines(&client, compare);
}

static void tick(void *arg)
{
	(void)arg;
	ticks++;
	stop_when_done();
}

/* ---- all of it --------------------------------------------------------- */

static void open_sockets(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof address;

	CHECK((listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0);
	CHECK(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
	CHECK((client.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0);
	CHECK(connect(client.fd, (struct sockaddr *)&address, size) == 0);
	CHECK((server.fd = accept(listener, NULL, NULL)) >= 0);
}

static void close_sockets(void)
{
	close(client.fd);
	close(server.fd);
	close(listener);
}

static void free_events(void)
{
	while (events) {
		struct event *event = events;
		events = event->next;
		free(event);
	}
}

/* Read how many numbers to send. False: the argument is no such number. */
static int read_arguments(int argc, char **argv)
{
	char *end = "";
	long number = argc > 1 ? strtol(argv[1], &end, 10) : 2000;

	numbers = (uint64_t)number;
	return argc <= 2 && *end == 0 && (argc == 1 || end != argv[1]) && number >= 1 &&
	       number <= NUMBERS_MAX;
}

int main(int argc, char **argv)
{
	if (!read_arguments(argc, argv)) {
		fprintf(stderr, "eventloop: give one count of numbers, from 1 to %d\n",
		        NUMBERS_MAX);
		return 2;
	}
	CHECK(ferry_open(NULL, &engine) == FERRY_OK);
	int rank = ferry_rank(engine);
	CHECK(ferry_handle(engine, OP_SQUARE, FERRY_INLINE, square, NULL) == FERRY_OK);
	CHECK(ferry_queue_create(engine, &queue) == FERRY_OK);
	open_sockets();
	loop_open();
	loop_watch(ferry_executor_fd(queue), run_queue, NULL);
	loop_watch(server.fd, serve, NULL);
	loop_watch(client.fd, listen_to_answers, NULL);
	loop_tick(TICK_MS, tick, NULL);
	for (int i = 0; i < WINDOW; i++)
		ask();
	loop_run();
	loop_close();
	free_events();
	close_sockets();
	CHECK(answered == numbers && ferry_executor_run(queue, 0, 0) == 0);
	CHECK(ferry_close(engine) == FERRY_OK);
	ferry_executor_destroy(queue);
	printf("rank %d: %" PRIu64
	       " squares over a socket and the next rank, %u ticks, all in one " LOOP " loop\n",
	       rank, answered, ticks);
	return 0;
}
