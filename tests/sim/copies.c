/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often a byte of a large message is moved. The program is linked with every memcpy and memmove
 * of the library going through here, and the port's functions in between: what the library copies
 * is counted, what the network carries is counted by it. Plain MPI moves a byte once, from the
 * memory that it is sent from to the memory that it is received into. The library adds nothing for
 * attachments, wherever they land, and one copy for bodies, which the caller may use again at once.
 */
#include "support/life.h"
#include "sim/net/sim.h"

#include "base/order.h"
#include "bulk/bulk.h"
#include "helm/close.h"
#include "helm/lanes.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "port/port.h"
#include "shared/engine.h"
#include "shared/thread.h"

#include <stdlib.h>
#include <string.h>

enum { OP_TAKE = 1, OP_LAND, OP_BODY, OP_ASK, OP_BACK, RANKS = 2, ROUNDS_MAX = 200000 };
#define KIB ((size_t)1024)
#define MIB (KIB * KIB)
/* Announcements, replies, acknowledgements: what is not the message's. */
#define AROUND 4096

/* ---- counting ----------------------------------------------------------------------------- */

static uint64_t copied;
static bool counts; /* the library runs, and neither the test nor the network */

void *__real_memcpy(void *to, const void *from, size_t n);
void *__real_memmove(void *to, const void *from, size_t n);
void *__wrap_memcpy(void *to, const void *from, size_t n);
void *__wrap_memmove(void *to, const void *from, size_t n);
void *__wrap___memcpy_chk(void *to, const void *from, size_t n, size_t room);
void *__wrap___memmove_chk(void *to, const void *from, size_t n, size_t room);

void *__wrap_memcpy(void *to, const void *from, size_t n)
{
	copied += counts ? n : 0;
	return __real_memcpy(to, from, n);
}

void *__wrap_memmove(void *to, const void *from, size_t n)
{
	copied += counts ? n : 0;
	return __real_memmove(to, from, n);
}

void *__wrap___memcpy_chk(void *to, const void *from, size_t n, size_t room)
{
	assert_true(n <= room);
	return __wrap_memcpy(to, from, n);
}

void *__wrap___memmove_chk(void *to, const void *from, size_t n, size_t room)
{
	assert_true(n <= room);
	return __wrap_memmove(to, from, n);
}

static const struct fy_port_ops *network;

static int uncounted_send(fy_port *port, int rank, int tag, const void *data, size_t nbytes,
                          fy_request *request)
{
	bool before = counts;
	counts = false;
	int status = network->send(port, rank, tag, data, nbytes, request);
	counts = before;
	return status;
}

static int uncounted_recv(fy_port *port, int rank, int tag, void *data, size_t nbytes,
                          fy_request *request)
{
	bool before = counts;
	counts = false;
	int status = network->recv(port, rank, tag, data, nbytes, request);
	counts = before;
	return status;
}

static bool uncounted_test(fy_port *port, fy_request *request)
{
	bool before = counts;
	counts = false;
	bool done = network->test(port, request);
	counts = before;
	return done;
}

static void count_beside(fy_port *port)
{
	static struct fy_port_ops ops;
	if (port->ops != &ops) {
		network = port->ops;
		ops = *network;
		ops.send = uncounted_send;
		ops.recv = uncounted_recv;
		ops.test = uncounted_test;
	}
	port->ops = &ops;
}

/* ---- two ranks ----------------------------------------------------------------------------- */

static struct {
	fy_sim *sim;
	ferry *engine[RANKS];
	char *out, *in; /* what is sent; the memory that the receiver names */
	size_t nbytes;
	unsigned taken;
	bool elsewhere; /* a message did not land where it was to */
} t;

static void look(const void *data, size_t nbytes)
{
	bool before = counts;
	counts = false;
	t.elsewhere |= nbytes != t.nbytes || memcmp(data, t.out, nbytes) != 0;
	t.taken++;
	counts = before;
}

static void on_attachment(ferry *engine, ferry_message *m, void *arg)
{
	size_t nbytes;
	const char *data = ferry_message_attachment(m, 0, &nbytes);
	(void)engine;
	t.elsewhere |= (data == t.in) != (arg != NULL);
	look(data, nbytes);
}

static void on_body(ferry *engine, ferry_message *m, void *arg)
{
	size_t nbytes;
	const void *data = ferry_message_body(m, &nbytes);
	(void)engine;
	(void)arg;
	look(data, nbytes);
}

static void on_ask(ferry *engine, ferry_message *m, void *arg)
{
	(void)engine;
	(void)arg;
	assert_int_equal(ferry_reply(m, t.out, t.nbytes), 0);
}

static void on_back(ferry *engine, ferry_message *m, void *arg)
{
	ferry_message *answer;
	(void)arg;
	assert_int_equal(ferry_message_create(engine, OP_BACK, &answer), 0);
	assert_int_equal(ferry_message_attach(answer, t.out, t.nbytes, NULL, NULL), 0);
	assert_int_equal(ferry_reply_message(m, answer), 0);
	ferry_message_release(answer);
}

static void *where(ferry *engine, int source, uint32_t op, size_t index, size_t nbytes, void *arg)
{
	(void)engine;
	(void)source;
	(void)op;
	(void)index;
	t.elsewhere |= nbytes != t.nbytes;
	return arg;
}

static void listen(ferry *engine)
{
	ferry *before = fy_thread_begin(FY_INLINE, engine);
	assert_int_equal(ferry_handle(engine, OP_TAKE, FERRY_INLINE, on_attachment, NULL), 0);
	assert_int_equal(ferry_handle(engine, OP_LAND, FERRY_INLINE, on_attachment, t.in), 0);
	assert_int_equal(ferry_handle_memory(engine, OP_LAND, where, t.in), 0);
	assert_int_equal(ferry_handle(engine, OP_BODY, FERRY_INLINE, on_body, NULL), 0);
	assert_int_equal(ferry_handle(engine, OP_ASK, FERRY_INLINE, on_ask, NULL), 0);
	assert_int_equal(ferry_handle(engine, OP_BACK, FERRY_INLINE, on_back, NULL), 0);
	fy_thread_end(FY_INLINE, before);
}

static void start(size_t nbytes, bool remote)
{
	struct fy_sim_options net = { .remote = remote };
	memset(&t, 0, sizeof t);
	t.nbytes = nbytes;
	t.out = malloc(nbytes);
	t.in = malloc(nbytes);
	for (size_t i = 0; i < nbytes; i++)
		t.out[i] = (char)(i * 31 + i / 251);
	t.sim = fy_sim_create(RANKS, nbytes, &net);
	for (int i = 0; i < RANKS; i++) {
		ferry_options given = FERRY_OPTIONS_INIT;
		given.flags = FERRY_NONBLOCK;
		given.spin = given.sleep_max = given.handler_grace = FERRY_NONE;
		t.engine[i] = t_open(fy_sim_port(t.sim, i), &given);
		count_beside(fy_sim_port(t.sim, i));
	}
	listen(t.engine[1]);
}

static void step(void)
{
	counts = true;
	for (int i = 0; i < RANKS; i++)
		fy_step_once(t.engine[i]->progress, true);
	counts = false;
	if (!fy_sim_advance(t.sim))
		fy_sim_advance_to(t.sim, fy_sim_now(t.sim) + FERRY_US(100));
}

static bool all_stopped(void)
{
	return fy_progress_of(t.engine[0])->close.stopped &&
	       fy_progress_of(t.engine[1])->close.stopped;
}

static void end(void)
{
	for (int i = 0; i < RANKS; i++) {
		fy_store_release_32(&t.engine[i]->phase, FY_CLOSING);
		fy_close_begin(t.engine[i]->progress);
	}
	for (unsigned i = 0; i < ROUNDS_MAX && !all_stopped(); i++)
		step();
	assert_true(all_stopped());
	for (int i = 0; i < RANKS; i++) {
		assert_int_equal(fy_life_destroy(t.engine[i]), 0);
		fy_engine_release(t.engine[i]);
	}
	fy_sim_destroy(t.sim);
	free(t.out);
	free(t.in);
}

/* ---- what is counted ------------------------------------------------------------------------ */

static ferry_future *post_attachment(uint32_t op)
{
	ferry_message *m;
	ferry_future *future;
	assert_int_equal(ferry_message_create(t.engine[0], op, &m), 0);
	assert_int_equal(ferry_message_attach(m, t.out, t.nbytes, NULL, NULL), 0);
	counts = true;
	assert_int_equal(ferry_post_message(t.engine[0], 1, m, &future), 0);
	counts = false;
	ferry_message_release(m);
	return future;
}

static ferry_future *send_off(uint32_t op)
{
	ferry_future *future;
	if (op == OP_TAKE || op == OP_LAND)
		return post_attachment(op);
	counts = true;
	if (op == OP_BODY)
		assert_int_equal(ferry_post(t.engine[0], 1, op, t.out, t.nbytes, &future), 0);
	else
		assert_int_equal(ferry_call(t.engine[0], 1, op, NULL, 0, &future), 0);
	counts = false;
	return future;
}

static void take_answer(uint32_t op, ferry_future *future)
{
	size_t nbytes;
	ferry_message *answer;
	assert_int_equal(ferry_future_take(future, &answer), 0);
	const void *data = op == OP_ASK ? ferry_message_body(answer, &nbytes)
	                                : ferry_message_attachment(answer, 0, &nbytes);
	look(data, nbytes);
	ferry_message_release(answer);
}

/* A message of that op, and how often each of its bytes is copied beside the network's one time. */
static void moves(uint32_t op, uint64_t times, size_t nbytes, bool remote)
{
	start(nbytes, remote);
	copied = 0;
	uint64_t carried = fy_sim_stats(t.sim)->bytes;
	ferry_future *future = send_off(op);
	for (unsigned i = 0; i < ROUNDS_MAX && ferry_future_poll(future) == FERRY_PENDING; i++)
		step();
	assert_int_equal(ferry_future_poll(future), FERRY_OK);
	if (op == OP_ASK || op == OP_BACK)
		take_answer(op, future);
	ferry_future_release(future);
	carried = fy_sim_stats(t.sim)->bytes - carried;
	assert_int_equal(t.taken, 1);
	assert_false(t.elsewhere);
	assert_in_range(carried, nbytes, nbytes + AROUND);
	assert_in_range(copied, times * nbytes, times * nbytes + AROUND);
	end();
}

static void for_all_sizes(uint32_t op, uint64_t times)
{
	static const size_t sizes[] = { 64 * KIB, 200 * KIB + 1, MIB, 4 * MIB };
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		moves(op, times, sizes[i], false);
		moves(op, times, sizes[i], true);
	}
}

static void an_attachment_in_memory_of_the_library(void **state)
{
	(void)state;
	for_all_sizes(OP_TAKE, 0);
}

static void an_attachment_where_the_memory_is_named(void **state)
{
	(void)state;
	for_all_sizes(OP_LAND, 0);
}

static void an_attachment_of_a_reply(void **state)
{
	(void)state;
	for_all_sizes(OP_BACK, 0);
}

static void a_body(void **state)
{
	(void)state;
	for_all_sizes(OP_BODY, 1);
}

static void a_body_of_a_reply(void **state)
{
	(void)state;
	for_all_sizes(OP_ASK, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_attachment_in_memory_of_the_library),
		cmocka_unit_test(an_attachment_where_the_memory_is_named),
		cmocka_unit_test(an_attachment_of_a_reply),
		cmocka_unit_test(a_body),
		cmocka_unit_test(a_body_of_a_reply),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
