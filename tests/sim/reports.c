/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people are told without having asked: messages that nobody takes, and what a close waits
 * for. Some engines over the simulated network, in one thread; what is said goes to a file.
 */
#include "support/life.h"
#include "sim/net/sim.h"

#include "app/own_lane.h"
#include "app/post.h"
#include "base/log.h"
#include "base/order.h"
#include "engine/life.h"
#include "helm/agree.h"
#include "helm/close.h"
#include "helm/errands.h"
#include "helm/progress.h"
#include "helm/report.h"
#include "helm/step.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "shared/mailbox.h"
#include "shared/message.h"
#include "shared/tally.h"
#include "shared/thread.h"
#include "wire/record.h"

#include <fcntl.h>
#include <unistd.h>

enum { RANKS_MAX = 4, OP_KEEP = 7, OP_UNREAD, OP_QUEUED, OP_OTHER = 0x1234, TURNS_MAX = 100000 };

struct side {
	ferry *engine;
	struct fy_progress *p;
	struct fy_lane *lane;
	ferry_executor *queue;
	ferry_message *kept[64];
	unsigned n_kept;
	bool speaks_late;
};

struct scene {
	int n;
	fy_sim *sim;
	struct side sides[RANKS_MAX];
	int said; /* descriptor */
};

static void keep(ferry *engine, ferry_message *message, void *arg)
{
	struct side *side = arg;
	(void)engine;
	ferry_message_retain(message);
	side->kept[side->n_kept++] = message;
}

static void handle(struct side *side, uint32_t op, ferry_executor *where, ferry_handler_fn *fn)
{
	ferry *before = fy_thread_begin(FY_INLINE, side->engine);
	assert_int_equal(ferry_handle(side->engine, op, where, fn, side), 0);
	fy_thread_end(FY_INLINE, before);
}

static void begin(struct scene *s, int n)
{
	struct fy_sim_options net = { .eager_max = SIZE_MAX };
	*s = (struct scene){ .n = n, .sim = fy_sim_create(n, 1, &net) };
	s->said = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	assert_true(s->said >= 0);
	fy_log_say_fd = s->said;
	for (int i = 0; i < n; i++) {
		struct side *side = &s->sides[i];
		ferry_options given = FERRY_OPTIONS_INIT;
		given.flags = FERRY_NONBLOCK;
		given.receive_memory = 1 << 20;
		side->engine = t_open(fy_sim_port(s->sim, i), &given);
		side->p = side->engine->progress;
		side->lane = fy_own_lane_create(side->engine);
		assert_int_equal(ferry_queue_create(side->engine, &side->queue), 0);
		handle(side, OP_KEEP, FERRY_INLINE, keep);
		handle(side, OP_QUEUED, side->queue, keep);
	}
}

static const char *said(struct scene *s)
{
	static char text[4096];
	ssize_t n = pread(s->said, text, sizeof text - 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static bool step_all(struct scene *s)
{
	bool worked = false;
	for (int i = 0; i < s->n; i++)
		if (s->sides[i].engine->progress)
			worked |= fy_step_once(s->sides[i].p, true);
	return worked;
}

/* Some time passes, so much at least. */
static void pass(struct scene *s, int64_t time)
{
	int64_t until = fy_sim_now(s->sim) + time;
	for (unsigned turn = 0; fy_sim_now(s->sim) < until; turn++) {
		assert_true(turn < TURNS_MAX);
		if (!step_all(s) && !fy_sim_advance(s->sim))
			fy_sim_advance_to(s->sim, fy_sim_now(s->sim) + time / 20 + 1);
	}
}

static int post(struct scene *s, int from, int to, uint32_t kind, uint32_t op, size_t nbytes,
                ferry_future **future)
{
	static const char bytes[4096];
	struct fy_post o = { .engine = s->sides[from].engine,
		             .lane = s->sides[from].lane,
		             .kind = kind,
		             .rank = to,
		             .op = op,
		             .body = bytes,
		             .nbytes = nbytes };
	return fy_post(&o, future);
}

static void send(struct scene *s, int from, int to, uint32_t op, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(post(s, from, to, FY_KIND_POST, op, 100, NULL), 0);
}

static void close_one(struct scene *s, int rank)
{
	fy_store_release_32(&s->sides[rank].engine->phase, FY_CLOSING);
	fy_close_begin(s->sides[rank].p);
}

static void stop(struct side *side)
{
	assert_int_equal(fy_life_destroy(side->engine), 0);
	if (side->speaks_late)
		fy_log_say(side->engine->log, side->engine->rank, "its close still waits");
	t_leave(side->engine, side->lane);
	ferry_executor_destroy(side->queue);
	fy_engine_release(side->engine);
}

static void release_all(struct side *side)
{
	while (side->n_kept)
		ferry_message_release(side->kept[--side->n_kept]);
}

/* All that have not begun to close do it; until all have stopped. */
static void finish(struct scene *s)
{
	int stopped = 0;
	for (int i = 0; i < s->n; i++)
		if (!s->sides[i].p->close.begun)
			close_one(s, i);
	for (unsigned turn = 0; stopped < s->n; turn++) {
		assert_true(turn < TURNS_MAX);
		bool worked = step_all(s);
		for (int i = 0; i < s->n; i++) {
			struct side *side = &s->sides[i];
			if (!side->engine->progress || !side->p->close.stopped)
				continue;
			release_all(side);
			stop(side);
			stopped++;
		}
		if (!worked && !fy_sim_advance(s->sim))
			fy_sim_advance_to(s->sim, fy_sim_now(s->sim) + FERRY_MS(1));
	}
	fy_sim_destroy(s->sim);
	fy_log_say_fd = STDERR_FILENO;
}

static const char *waits_for(struct scene *s, int rank)
{
	static char text[FY_ERRANDS_LINE];
	fy_report_close(s->sides[rank].p, text, sizeof text);
	return text;
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" does not say \"%s\"", text, part);
}

static void has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" says \"%s\"", text, part);
}

/* ---- messages that nobody takes -------------------------------------------------------------- */

static void what_is_dropped_at_close_is_told(void **state)
{
	(void)state;
	struct scene s;
	begin(&s, 3);
	send(&s, 0, 1, OP_UNREAD, 2);
	pass(&s, FERRY_MS(1));
	send(&s, 2, 1, OP_UNREAD, 1);
	pass(&s, FERRY_MS(1));
	send(&s, 0, 1, OP_OTHER, 3);
	send(&s, 0, 1, OP_KEEP, 1);
	pass(&s, FERRY_MS(10));
	assert_string_equal(said(&s), "");
	finish(&s);
	assert_string_equal(
		said(&s),
		"ferry: rank 1: closed with 6 messages that nobody handled or read: 2 of op 0x8 "
		"from rank 0, 1 of op 0x8 from rank 2, 3 of op 0x1234 from rank 0\n");
	close(s.said);
}

static void nothing_is_told_when_all_is_read(void **state)
{
	(void)state;
	struct scene s;
	ferry_message *m;
	begin(&s, 2);
	send(&s, 0, 1, OP_UNREAD, 1);
	pass(&s, FERRY_MS(10));
	assert_int_equal(ferry_recv(s.sides[1].engine, FERRY_ANY, FERRY_ANY_OP, 0, &m), 0);
	ferry_message_release(m);
	pass(&s, FERRY_S(20));
	finish(&s);
	assert_string_equal(said(&s), "");
	close(s.said);
}

static void what_waits_longer_than_the_grace_is_told_once(void **state)
{
	(void)state;
	struct scene s;
	begin(&s, 2);
	send(&s, 0, 1, OP_UNREAD, 2);
	pass(&s, FERRY_S(4));
	assert_string_equal(said(&s), "");
	pass(&s, FERRY_S(3));
	const char *line = "ferry: rank 1: 2 messages wait for a handler or a reader, longer than "
			   "handler_grace: 2 of op 0x8 from rank 0; give the op a handler by "
			   "ferry_handle, or read it by ferry_recv\n";
	assert_string_equal(said(&s), line);
	send(&s, 0, 1, OP_UNREAD, 1);
	pass(&s, FERRY_S(20));
	assert_string_equal(said(&s), line);
	send(&s, 0, 1, OP_OTHER, 1);
	pass(&s, FERRY_S(20));
	has(said(&s) + strlen(line),
	    "1 message waits for a handler or a reader, longer than handler_grace: 1 of op 0x1234");
	finish(&s);
	close(s.said);
}

/* A call is answered so, and told of here. */
static void calls_that_nobody_takes_are_told(void **state)
{
	(void)state;
	struct scene s;
	ferry_future *future;
	begin(&s, 2);
	assert_int_equal(post(&s, 0, 1, FY_KIND_CALL, OP_UNREAD, 8, &future), 0);
	pass(&s, FERRY_S(7));
	assert_int_equal(ferry_future_poll(future), FERRY_ENOHANDLER);
	ferry_future_release(future);
	has(said(&s), "1 of op 0x8 from rank 0");
	finish(&s);
	close(s.said);
}

/* Whoever reads an op reads it again; whoever waits for anything will take it. */
static void what_somebody_asks_for_is_not_told(void **state)
{
	(void)state;
	struct scene s;
	ferry_message *m;
	begin(&s, 2);
	struct fy_mailbox *box = &s.sides[1].engine->mailbox;
	assert_int_equal(ferry_recv(s.sides[1].engine, 0, OP_UNREAD, 0, &m), FERRY_PENDING);
	send(&s, 0, 1, OP_UNREAD, 1);
	pass(&s, FERRY_S(10));
	assert_string_equal(said(&s), "");
	assert_true(fy_mailbox_try(box));
	struct fy_mail_pattern *any =
		fy_mailbox_ask(box, FERRY_ANY, FERRY_ANY_OP, s.sides[1].p->link.now);
	any->n_waiters++;
	fy_mailbox_unlock(box);
	send(&s, 0, 1, OP_OTHER, 1);
	pass(&s, FERRY_S(10));
	assert_string_equal(said(&s), "");
	any->n_waiters--;
	any->asked_at = s.sides[1].p->link.now;
	pass(&s, FERRY_S(10));
	assert_string_equal(said(&s), ""); /* asked since it came */
	send(&s, 0, 1, OP_OTHER + 1, 1);
	pass(&s, FERRY_S(10));
	has(said(&s), "of op 0x1235");
	finish(&s);
	close(s.said);
}

/* ---- what a close waits for -------------------------------------------- */

static void who_is_not_in_the_close(void **state)
{
	(void)state;
	struct scene s;
	begin(&s, 4);
	close_one(&s, 3);
	pass(&s, FERRY_S(2));
	assert_string_equal(waits_for(&s, 3), "ranks 0, 1 and 2, not in ferry_close");
	close_one(&s, 0);
	close_one(&s, 2);
	pass(&s, FERRY_S(3));
	for (int i = 0; i < 4; i++)
		assert_string_equal(waits_for(&s, i),
		                    i == 1 ? "the progress thread" : "rank 1, not in ferry_close");
	finish(&s);
	close(s.said);
}

static void what_nobody_has_read(void **state)
{
	(void)state;
	struct scene s;
	begin(&s, 2);
	send(&s, 0, 1, OP_UNREAD, 2);
	send(&s, 0, 1, OP_OTHER, 1);
	pass(&s, FERRY_MS(10));
	has(waits_for(&s, 1),
	    "unread messages: 2 of op 0x8 from rank 0, 1 of op 0x1234 from rank 0");
	has_not(waits_for(&s, 0), "unread");
	finish(&s);
	close(s.said);
}

/* All is agreed, and the last batch of a rank does not come. */
static void a_goodbye_that_does_not_come(void **state)
{
	(void)state;
	struct scene s;
	begin(&s, 3);
	for (int i = 1; i < 3; i++) {
		send(&s, 0, i, OP_KEEP, 1);
		send(&s, i, 0, OP_KEEP, 1);
	}
	pass(&s, FERRY_MS(10));
	for (int i = 0; i < 3; i++)
		close_one(&s, i);
	for (unsigned turn = 0; !s.sides[0].p->close.byes; turn++) {
		assert_true(turn < TURNS_MAX);
		has_not(waits_for(&s, 0), "goodbye");
		step_all(&s);
		if (!s.sides[0].p->close.byes)
			fy_sim_advance(s.sim);
	}
	assert_int_equal(fy_sim_cut(s.sim, 1, 0), 0);
	pass(&s, FERRY_MS(10));
	has(waits_for(&s, 0), "the goodbye of rank 1");
	fy_sim_heal(s.sim, 1, 0);
	finish(&s);
	close(s.said);
}

static void a_fence_of_ones_own(void **state)
{
	(void)state;
	struct scene s;
	begin(&s, 2);
	fy_agree_join(s.sides[0].p, FY_AGREE_FENCE);
	has(waits_for(&s, 0), "a ferry_fence of this rank that is not over");
	close_one(&s, 1);
	pass(&s, FERRY_S(1));
	assert_int_equal(s.sides[0].p->agree.kind, 0);
	finish(&s);
	close(s.said);
}

/* Messages that are kept hold the sender back, and so both closes. When they are released the
 * close ends. */
static void retained_messages_are_named(void **state)
{
	(void)state;
	struct scene s;
	unsigned sent = 0;
	ferry_stats before = FERRY_STATS_INIT;
	begin(&s, 2);
	while (sent < 60 && post(&s, 0, 1, FY_KIND_POST, OP_KEEP, 4000, NULL) == 0)
		sent++;
	pass(&s, FERRY_MS(50));
	struct side *to = &s.sides[1];
	assert_true(to->n_kept > 1 && to->n_kept < sent); /* the credit is used up */
	ferry *doing = fy_thread_begin(FY_INLINE, to->engine);
	assert_int_equal(ferry_stats_read(to->engine, &before), 0);
	fy_thread_end(FY_INLINE, doing);
	assert_int_equal(before.memory_held, to->n_kept * (4000 + FY_MESSAGE_CHARGE));
	close_one(&s, 0);
	close_one(&s, 1);
	pass(&s, FERRY_S(3));
	char wanted[80];
	snprintf(wanted, sizeof wanted, "%u messages of op 0x7 retained and not released",
	         to->n_kept);
	has(waits_for(&s, 1), wanted);
	has(waits_for(&s, 0), "posts that wait for room at rank 1");
	has_not(waits_for(&s, 0), "not in ferry_close");
	has_not(waits_for(&s, 1), "unread");
	while (to->p && !to->p->close.stopped) {
		release_all(to);
		pass(&s, FERRY_MS(1));
	}
	finish(&s);
	close(s.said);
}

static void handlers_and_requests_are_named(void **state)
{
	(void)state;
	struct scene s;
	ferry_future *future;
	begin(&s, 2);
	send(&s, 0, 1, OP_QUEUED, 3);
	assert_int_equal(post(&s, 0, 1, FY_KIND_CALL, OP_KEEP, 8, &future), 0);
	pass(&s, FERRY_MS(10));
	close_one(&s, 0);
	close_one(&s, 1);
	pass(&s, FERRY_S(3));
	has(waits_for(&s, 1), "0 handlers of op 0x9 running and 3 messages waiting for one");
	has(waits_for(&s, 1), "1 message of op 0x7 retained and not released, among them requests");
	has(waits_for(&s, 0), "1 call of this rank without a reply, one from rank 1");
	has_not(waits_for(&s, 1), "op 0x9 retained");
	while (ferry_executor_run(s.sides[1].queue, 0, 0) > 0)
		;
	finish(&s);
	assert_int_equal(ferry_future_poll(future), FERRY_ESTOPPED);
	ferry_future_release(future);
	close(s.said);
}

/* More ops than there are tallies: the rest share one, and nothing is lost. */
static void more_ops_than_are_counted(void **state)
{
	(void)state;
	struct scene s;
	begin(&s, 2);
	for (uint32_t op = 0; op < 1100; op++) {
		ferry_message *m;
		send(&s, 0, 1, OP_OTHER + op, 1);
		pass(&s, FERRY_US(100));
		if (op >= 10 && op < 1090) {
			assert_int_equal(ferry_recv(s.sides[1].engine, 0, OP_OTHER + op, 0, &m), 0);
			ferry_message_release(m);
		}
	}
	uint64_t there = 0, gone = 0;
	ferry *e = s.sides[1].engine;
	for (unsigned i = 0; i < FY_TALLIES; i++)
		for (struct fy_tally *t = e->tallies.of[i]; t; t = t->next) {
			there += t->n_received;
			gone += t->freed;
		}
	assert_int_equal(there, 1100);
	assert_int_equal(there - gone, 20);
	assert_true(e->tallies.n <= 1025);
	finish(&s);
	has(said(&s), "closed with 20 messages");
	has(said(&s), "1 of op 0x1239 from rank 0 and 14 more\n");
	close(s.said);
}

/* The thread that closes may speak beside the end of the engine: its log is there until it has
 * come back. */
static void the_log_lives_until_the_close_is_over(void **state)
{
	(void)state;
	char path[] = "/tmp/ferry-log-XXXXXX", text[4096] = "";
	struct scene s;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	begin(&s, 1);
	fy_engine_close_log(s.sides[0].engine); /* the one it was opened with */
	assert_int_equal(fy_log_open(path, 0, &s.sides[0].engine->log), 0);
	s.sides[0].speaks_late = true;
	finish(&s);
	has(said(&s), "its close still waits");
	assert_true(pread(fd, text, sizeof text - 1, 0) > 0);
	has(text, "its close still waits");
	unlink(path);
	close(fd);
	close(s.said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_dropped_at_close_is_told),
		cmocka_unit_test(nothing_is_told_when_all_is_read),
		cmocka_unit_test(what_waits_longer_than_the_grace_is_told_once),
		cmocka_unit_test(calls_that_nobody_takes_are_told),
		cmocka_unit_test(what_somebody_asks_for_is_not_told),
		cmocka_unit_test(who_is_not_in_the_close),
		cmocka_unit_test(what_nobody_has_read),
		cmocka_unit_test(a_goodbye_that_does_not_come),
		cmocka_unit_test(a_fence_of_ones_own),
		cmocka_unit_test(retained_messages_are_named),
		cmocka_unit_test(handlers_and_requests_are_named),
		cmocka_unit_test(more_ops_than_are_counted),
		cmocka_unit_test(the_log_lives_until_the_close_is_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
