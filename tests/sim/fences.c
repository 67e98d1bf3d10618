/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fences beside threads that post without a pause. Some engines over the simulated network, in one
 * thread; each rank has two virtual threads that flood, and handlers, inline and in a queue, that
 * post on. Each message knows how many fences its rank had joined when it was posted, or what it
 * comes of. When a fence is over nothing of before it may be alive; and it has to end although the
 * floods go on.
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
#include "helm/mail.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "shared/handler.h"
#include "shared/lane.h"
#include "shared/mailbox.h"
#include "shared/message.h"
#include "shared/thread.h"
#include "wire/record.h"

#include <fcntl.h>

enum { RANKS_MAX = 4, LANES = 2, FENCES = 4, DEPTH = 4, TURNS_MAX = 60000 };
enum { OP_INLINE = 7, OP_QUEUE, OP_CALL, OP_MAIL };

struct body {
	uint32_t epoch, depth;
};

struct side {
	struct scene *scene;
	ferry *engine;
	struct fy_progress *p;
	struct fy_lane *lanes[LANES], *of_handlers;
	ferry_executor *queue;
	unsigned joined;
	bool stopped;
};

struct scene {
	int n;
	uint64_t random;
	fy_sim *sim;
	struct side sides[RANKS_MAX];
	/* messages by epoch: posted, and their handler has not returned */
	unsigned alive[FENCES + 1];
	unsigned posted, handled;
	size_t large; /* of some messages */
	char wrong[100];
};

static unsigned pick(struct scene *s, unsigned n)
{
	return (unsigned)(t_random(&s->random) >> 33) % n;
}

static void post(struct side *side, struct fy_lane *lane, struct body body)
{
	static char bytes[70000];
	struct scene *s = side->scene;
	uint32_t op = pick(s, 10) == 0   ? OP_CALL
	              : pick(s, 12) == 0 ? OP_MAIL
	              : pick(s, 2)       ? OP_INLINE
	                                 : OP_QUEUE;
	struct fy_post o = { .engine = side->engine,
		             .lane = lane,
		             .kind = op == OP_CALL ? FY_KIND_CALL : FY_KIND_POST,
		             .rank = (int)pick(s, (unsigned)s->n),
		             .op = op,
		             .body = bytes,
		             .nbytes = pick(s, 300) == 0 ? s->large : sizeof body + pick(s, 60) };
	ferry_future *future = NULL;
	memcpy(bytes, &body, sizeof body);
	if (fy_post(&o, pick(s, 6) == 0 ? &future : NULL))
		return;
	ferry_future_release(future);
	s->posted++;
	s->alive[body.epoch] += op != OP_MAIL;
}

/* What a handler posts comes of its message, and is alive before that is handled. */
static void handle(ferry *engine, ferry_message *message, void *arg)
{
	struct side *side = arg;
	struct scene *s = side->scene;
	struct body body;
	memcpy(&body, ferry_message_body(message, NULL), sizeof body);
	uint32_t tag = fy_lane_tag_posts(side->of_handlers, fy_handler_tag_here(engine));
	for (unsigned n = body.depth < DEPTH ? pick(s, 2) : 0; n; n--)
		post(side, side->of_handlers, (struct body){ body.epoch, body.depth + 1 });
	fy_lane_tag_posts(side->of_handlers, tag);
	s->alive[body.epoch]--;
	s->handled++;
}

static void read_mail(struct side *side)
{
	ferry_message *m;
	while (ferry_recv(side->engine, FERRY_ANY, OP_MAIL, 0, &m) == 0)
		ferry_message_release(m);
}

/* ---- a run ---------------------------------------------------------------------------------- */

static void open_side(struct scene *s, int rank)
{
	static const uint32_t ops[] = { OP_INLINE, OP_QUEUE, OP_CALL };
	struct side *side = &s->sides[rank];
	ferry_options given = FERRY_OPTIONS_INIT;
	given.flags = FERRY_NONBLOCK;
	given.receive_memory = 4 << 20;
	side->engine = t_open(fy_sim_port(s->sim, rank), &given);
	side->scene = s;
	side->p = side->engine->progress;
	for (int i = 0; i < LANES; i++)
		side->lanes[i] = fy_own_lane_create(side->engine);
	side->of_handlers = fy_own_lane_create(side->engine);
	assert_int_equal(ferry_queue_create(side->engine, &side->queue), 0);
	ferry *before = fy_thread_begin(FY_INLINE, side->engine);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(ferry_handle(side->engine, ops[i],
		                              ops[i] == OP_QUEUE ? side->queue : FERRY_INLINE,
		                              handle, side),
		                 0);
	fy_thread_end(FY_INLINE, before);
}

static void stop(struct side *side)
{
	side->stopped = true;
	assert_int_equal(fy_life_destroy(side->engine), 0);
	for (int i = 0; i < LANES; i++)
		t_leave(side->engine, side->lanes[i]);
	t_leave(side->engine, side->of_handlers);
	ferry_executor_destroy(side->queue);
	fy_engine_release(side->engine);
}

static void flood(struct side *side)
{
	for (int i = 0; i < LANES; i++)
		for (unsigned n = pick(side->scene, 6); n; n--)
			post(side, side->lanes[i], (struct body){ side->joined, 0 });
}

static void turn_of(struct scene *s, struct side *side)
{
	fy_step_once(side->p, pick(s, 4) > 0);
	if (pick(s, 2))
		assert_true(ferry_executor_run(side->queue, pick(s, 20), 0) >= 0);
	if (pick(s, 2))
		read_mail(side);
}

static void join(struct scene *s, struct side *side)
{
	if (side->joined == FENCES || side->p->agree.kind || pick(s, 30))
		return;
	side->joined++;
	fy_agree_join(side->p, FY_AGREE_FENCE);
}

/* True when all fences are over. */
static bool check(struct scene *s)
{
	unsigned first = FENCES;
	for (int i = 0; i < s->n; i++) {
		unsigned finished = s->sides[i].p->agree.finished;
		for (unsigned epoch = 0; epoch < finished; epoch++)
			if (s->alive[epoch] && !s->wrong[0])
				snprintf(s->wrong, sizeof s->wrong,
				         "fence %u is over, and %u messages of before fence %u are "
				         "not handled",
				         finished, s->alive[epoch], epoch + 1);
		if (finished < first)
			first = finished;
	}
	return first == FENCES || s->wrong[0];
}

static void close_all(struct scene *s)
{
	int stopped = 0;
	for (int i = 0; i < s->n; i++) {
		fy_store_release_32(&s->sides[i].engine->phase, FY_CLOSING);
		fy_close_begin(s->sides[i].p);
	}
	for (unsigned turn = 0; stopped < s->n; turn++) {
		bool worked = false;
		assert_true(turn < 100 * TURNS_MAX);
		for (int i = 0; i < s->n; i++) {
			struct side *side = &s->sides[i];
			if (side->stopped)
				continue;
			worked |= fy_step_once(side->p, true);
			worked |= ferry_executor_run(side->queue, 0, 0) > 0;
			read_mail(side);
			if (side->p->close.stopped) {
				stop(side);
				stopped++;
			}
		}
		if (!worked && !fy_sim_advance(s->sim))
			fy_sim_advance_to(s->sim, fy_sim_now(s->sim) + FERRY_US(50));
	}
}

static void run(struct scene *s, uint64_t seed)
{
	*s = (struct scene){ .random = seed };
	struct fy_sim_options net = { .eager_max = pick(s, 2) ? SIZE_MAX : 4096 };
	s->n = 1 + (int)pick(s, RANKS_MAX);
	s->large = pick(s, 2) ? 70000 : 6000;
	s->sim = fy_sim_create(s->n, seed, &net);
	for (int i = 0; i < s->n; i++)
		open_side(s, i);
	for (unsigned turn = 0; !check(s); turn++) {
		for (int i = 0; i < s->n; i++) {
			struct side *side = &s->sides[i];
			if (pick(s, 4) == 0)
				continue;
			flood(side);
			turn_of(s, side);
			join(s, side);
		}
		fy_sim_advance_to(s->sim, fy_sim_now(s->sim) + FERRY_US(1 + pick(s, 8)));
		if (turn > TURNS_MAX)
			snprintf(s->wrong, sizeof s->wrong,
			         "a fence does not end: %u of %d are over, %u messages handled",
			         s->sides[0].p->agree.finished, FENCES, s->handled);
	}
}

static void fences_end_beside_floods_and_not_too_early(void **state)
{
	(void)state;
	unsigned long seeds = t_seeds(30), first = t_env("FERRY_FIRST_SEED", 1),
		      only = t_env("FERRY_SEED", 0);
	unsigned long handled = 0, posted = 0;
	for (unsigned long i = 0; i < (only ? 1 : seeds); i++) {
		static struct scene s;
		uint64_t seed = only ? only : first + i;
		run(&s, seed);
		handled += s.handled;
		posted += s.posted;
		if (s.wrong[0])
			printf("# seed %lu: %s\n", (unsigned long)seed, s.wrong);
		fflush(stdout);
		if (s.wrong[0])
			fail_msg("seed %lu: %s (%d ranks)", (unsigned long)seed, s.wrong, s.n);
		close_all(&s);
		fy_sim_destroy(s.sim);
	}
	printf("# %lu posted, %lu handled while %d fences a seed went on\n", posted, handled,
	       FENCES);
}

/* A message comes back from a queue whose handler was taken away, and somebody reads it at once: it
 * is of no further interest to a fence. One that nobody reads is, until it was seen that there is
 * no other handler. */
static void what_an_executor_gives_back(void **state)
{
	(void)state;
	for (int read = 0; read < 2; read++) {
		static struct scene s;
		s = (struct scene){ .random = 1, .n = 1 };
		struct fy_sim_options net = { .eager_max = SIZE_MAX };
		s.sim = fy_sim_create(1, 1, &net);
		open_side(&s, 0);
		struct side *side = &s.sides[0];
		struct body body = { 0, DEPTH };
		struct fy_post o = { .engine = side->engine,
			             .lane = side->lanes[0],
			             .kind = FY_KIND_POST,
			             .op = OP_QUEUE,
			             .body = &body,
			             .nbytes = sizeof body };
		assert_int_equal(fy_post(&o, NULL), 0);
		for (unsigned i = 0; i < 50; i++) {
			fy_step_once(side->p, true);
			fy_sim_advance(s.sim);
		}
		struct fy_handler *old = NULL;
		assert_true(fy_mail_set_handler(side->p, NULL, OP_QUEUE, &old));
		assert_int_equal(ferry_executor_run(side->queue, 0, 0), 1);
		fy_handler_release(old);
		ferry_message *m = NULL;
		if (read)
			assert_int_equal(ferry_recv(side->engine, FERRY_ANY, OP_QUEUE, 0, &m), 0);
		ferry_message_release(m);
		fy_agree_join(side->p, FY_AGREE_FENCE);
		for (unsigned i = 0; i < 1000 && side->p->agree.kind; i++) {
			fy_step_once(side->p, true);
			fy_sim_advance_to(s.sim, fy_sim_now(s.sim) + FERRY_MS(1));
		}
		assert_int_equal(side->p->agree.finished, 1);
		close_all(&s);
		fy_sim_destroy(s.sim);
	}
}

static void read_in_handler(ferry *engine, ferry_message *message, void *arg)
{
	struct side *side = arg;
	(void)message;
	side->joined++;                                /* how often we were here */
	assert_true(fy_mailbox_try(&engine->mailbox)); /* else ferry_recv would not return */
	fy_mailbox_unlock(&engine->mailbox);
	read_mail(side);
}

/* The handler of a queue is replaced by an inline one. What the queue gives back is handled by that
 * one, which may read the mailbox meanwhile. */
static void what_handles_it_next_may_read(void **state)
{
	static struct scene s;
	struct fy_sim_options net = { .eager_max = SIZE_MAX };
	(void)state;
	s = (struct scene){ .random = 1, .n = 1 };
	s.sim = fy_sim_create(1, 1, &net);
	open_side(&s, 0);
	struct side *side = &s.sides[0];
	struct fy_handler *h = calloc(1, sizeof *h), *old = NULL;
	struct body body = { 0, DEPTH };
	struct fy_post o = { .engine = side->engine,
		             .lane = side->lanes[0],
		             .kind = FY_KIND_POST,
		             .body = &body,
		             .nbytes = sizeof body };
	for (o.op = OP_QUEUE; o.op <= OP_MAIL; o.op += OP_MAIL - OP_QUEUE)
		assert_int_equal(fy_post(&o, NULL), 0);
	for (unsigned i = 0; i < 50; i++) {
		fy_step_once(side->p, true);
		fy_sim_advance(s.sim);
	}
	*h = (struct fy_handler){ .op = OP_QUEUE, .fn = read_in_handler, .arg = side, .refs = 1 };
	assert_true(fy_mail_set_handler(side->p, h, OP_QUEUE, &old));
	assert_int_equal(ferry_executor_run(side->queue, 0, 0), 1);
	fy_handler_release(old);
	fy_step_once(side->p, true);
	assert_int_equal(side->joined, 1);
	assert_int_equal(side->engine->mailbox.bytes, 0); /* it has read the other one */
	close_all(&s);
	fy_sim_destroy(s.sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fences_end_beside_floods_and_not_too_early),
		cmocka_unit_test(what_an_executor_gives_back),
		cmocka_unit_test(what_handles_it_next_may_read),
	};
	fy_log_say_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
