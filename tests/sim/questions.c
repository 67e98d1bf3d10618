/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions: engines over the simulated network, of which one or two ask the others how they are.
 * The network loses words, the asker dies, ranks stop, and engines close meanwhile.
 */
#include "support/life.h"
#include "sim/net/sim.h"

#include "base/bits.h"
#include "base/order.h"
#include "helm/close.h"
#include "helm/lookout.h"
#include "helm/peer.h"
#include "helm/progress.h"
#include "helm/question.h"
#include "helm/step.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "wire/crew_word.h"
#include "wire/header.h"

enum { RANKS_MAX = 8, TURNS_MAX = 200000, ID = 7 };

struct side {
	ferry *engine;
	struct fy_progress *p;
	struct fy_lane *lane;
	bool stopped; /* its process is: nothing steps */
	/* what it heard as asker */
	unsigned heard[RANKS_MAX]; /* about that rank */
	int from[RANKS_MAX];
	unsigned wrong;
};

static struct scene {
	int n, per_host;
	fy_sim *sim;
	struct fy_port_ops ops; /* of a network that has hosts */
	const struct fy_port_ops *sims;
	struct side sides[RANKS_MAX];
	size_t report_bytes;
} s;

/* ---- the sides ------------------------------------------------------------------------------ */

static uint32_t *bell_of_host(fy_port *port, int rank)
{
	return rank / s.per_host == port->rank / s.per_host ? s.sims->doorbell(port, rank) : NULL;
}

static size_t write_report(struct fy_progress *p, int rank, void *room, size_t max)
{
	assert_true(s.report_bytes <= max);
	assert_true(rank / s.per_host == p->link.engine->rank / s.per_host);
	memset(room, rank + 1, s.report_bytes);
	return s.report_bytes;
}

static void hear(void *arg, const struct fy_question_heard *heard)
{
	struct side *side = arg;
	const char *bytes = heard->bytes;
	for (size_t i = 0; i < heard->nbytes; i++)
		side->wrong += bytes[i] != heard->about + 1;
	side->wrong += heard->id != ID || heard->nbytes != s.report_bytes;
	side->heard[heard->about]++;
	side->from[heard->about] = heard->from;
}

static const struct fy_question_side side_ops = { write_report, hear };

/* ---- a scene -------------------------------------------------------------------------------- */

static void begin(int n, int per_host, int64_t peer_timeout)
{
	struct fy_sim_options net = { .eager_max = SIZE_MAX };
	s = (struct scene){ .n = n, .per_host = per_host, .report_bytes = 2000 };
	s.sim = fy_sim_create(n, 1, &net);
	for (int i = 0; i < n; i++) {
		struct side *side = &s.sides[i];
		ferry_options given = FERRY_OPTIONS_INIT;
		fy_port *port = fy_sim_port(s.sim, i);
		given.flags = FERRY_NONBLOCK;
		given.peer_timeout = peer_timeout;
		s.sims = port->ops;
		s.ops = *port->ops;
		s.ops.doorbell = bell_of_host;
		side->engine = t_open(port, &given);
		port->ops = &s.ops;
		side->p = side->engine->progress;
		side->lane = fy_own_lane_create(side->engine);
		side->p->questions.side = &side_ops;
		side->p->questions.arg = side;
	}
}

static bool step_all(void)
{
	bool worked = false;
	for (int i = 0; i < s.n; i++)
		if (s.sides[i].engine->progress && !s.sides[i].stopped && !fy_sim_killed(s.sim, i))
			worked |= fy_step_once(s.sides[i].p, true);
	return worked;
}

static void pass(int64_t time)
{
	int64_t until = fy_sim_now(s.sim) + time;
	for (unsigned turn = 0; fy_sim_now(s.sim) < until; turn++) {
		assert_true(turn < TURNS_MAX);
		if (!step_all() && !fy_sim_advance(s.sim))
			fy_sim_advance_to(s.sim, fy_sim_now(s.sim) + time / 20 + 1);
	}
}

static void ask(int asker, uint64_t wanted, uint64_t silent)
{
	assert_int_equal(fy_question_ask(s.sides[asker].p, ID, &wanted, silent ? &silent : NULL),
	                 FERRY_OK);
}

static uint64_t unheard(const struct side *side, uint64_t wanted)
{
	uint64_t set = 0;
	for (int i = 0; i < s.n; i++)
		if (wanted >> i & 1 && !side->heard[i])
			set |= UINT64_C(1) << i;
	return set;
}

static void end_side(struct side *side)
{
	assert_int_equal(side->wrong, 0);
	assert_int_equal(fy_life_destroy(side->engine), FERRY_OK);
	t_leave(side->engine, side->lane);
	fy_engine_release(side->engine);
}

static void begin_close(struct side *side)
{
	fy_store_release_32(&side->engine->phase, FY_CLOSING);
	fy_close_begin(side->p);
}

static void finish(void)
{
	int stopped = 0;
	for (int i = 0; i < s.n; i++) {
		s.sides[i].stopped = false;
		if (!s.sides[i].p->close.begun)
			begin_close(&s.sides[i]);
	}
	for (unsigned turn = 0; stopped < s.n; turn++) {
		assert_true(turn < TURNS_MAX);
		bool worked = step_all();
		for (int i = 0; i < s.n; i++)
			if (s.sides[i].engine->progress && s.sides[i].p->close.stopped) {
				end_side(&s.sides[i]);
				stopped++;
			}
		if (!worked && !fy_sim_advance(s.sim))
			fy_sim_advance_to(s.sim, fy_sim_now(s.sim) + FERRY_MS(1));
	}
	fy_sim_destroy(s.sim);
}

static void give_up(void)
{
	for (int i = 0; i < s.n; i++) {
		t_break_off(s.sim, s.sides[i].engine);
		t_leave(s.sides[i].engine, s.sides[i].lane);
		fy_engine_release(s.sides[i].engine);
	}
	fy_sim_destroy(s.sim);
}

/* ---- answers -------------------------------------------------------------------------------- */

static void each_rank_reports_on_itself(void **state)
{
	(void)state;
	begin(8, 2, FERRY_NONE);
	struct side *asker = &s.sides[3];
	ask(3, 0xF7, 0);
	pass(FERRY_MS(20));
	for (int i = 0; i < 8; i++) {
		assert_int_equal(asker->heard[i], i != 3);
		if (i != 3)
			assert_int_equal(asker->from[i], i);
	}
	for (int i = 0; i < 8; i++)
		assert_int_equal(s.sides[i].p->link.stats.malformed, 0);
	finish();
}

/* The longest one fills a batch; of none the rank is known to be there. */
static void a_report_may_fill_a_batch_or_be_empty(void **state)
{
	(void)state;
	begin(2, 2, FERRY_NONE);
	size_t head = sizeof(struct fy_batch_header) + sizeof(struct fy_crew_word) +
	              sizeof(struct fy_report);
	s.report_bytes = FY_BATCH_BYTES - head;
	ask(0, 2, 0);
	pass(FERRY_MS(20));
	assert_int_equal(s.sides[0].heard[1], 1);
	s.report_bytes = 0;
	ask(0, 2, 0);
	pass(FERRY_MS(20));
	assert_int_equal(s.sides[0].heard[1], 2);
	finish();
}

static void only_who_is_asked_answers(void **state)
{
	(void)state;
	begin(4, 1, FERRY_NONE);
	ask(0, 0x4, 0);
	pass(FERRY_MS(20));
	for (int i = 0; i < 4; i++)
		assert_int_equal(s.sides[0].heard[i], i == 2);
	finish();
}

static void two_may_ask_at_once(void **state)
{
	(void)state;
	begin(6, 3, FERRY_NONE);
	ask(1, 0x3D, 0);
	ask(4, 0x2F, 0);
	pass(FERRY_MS(20));
	assert_int_equal(unheard(&s.sides[1], 0x3D), 0);
	assert_int_equal(unheard(&s.sides[4], 0x2F), 0);
	finish();
}

static void an_answer_to_an_older_question_is_dropped(void **state)
{
	uint64_t wanted = 2;

	(void)state;
	begin(2, 1, FERRY_NONE);
	assert_int_equal(fy_question_ask(s.sides[0].p, ID + 1, &wanted, NULL), FERRY_OK);
	fy_step_once(s.sides[0].p, true);
	s.sides[0].p->questions.id = ID; /* by the next question, which has not left */
	pass(FERRY_MS(20));
	assert_int_equal(s.sides[0].heard[1], 0);
	assert_int_equal(s.sides[0].p->link.stats.malformed, 0);
	finish();
}

/* ---- silence -------------------------------------------------------------------------------- */

/* Hosts of three ranks. Of the second one two are stopped, of the third all. */
static void the_first_rank_of_a_host_speaks_for_the_silent(void **state)
{
	(void)state;
	begin(8, 3, FERRY_NONE);
	struct side *asker = &s.sides[0];
	s.sides[3].stopped = s.sides[5].stopped = s.sides[6].stopped = s.sides[7].stopped = true;
	ask(0, 0xF8, 0);
	pass(FERRY_MS(20));
	assert_int_equal(unheard(asker, 0xF8), 0xE8);
	ask(0, 0x10, 0xE8);
	pass(FERRY_MS(20));
	assert_int_equal(unheard(asker, 0xF8), 0xC0);
	assert_int_equal(asker->from[3], 4);
	assert_int_equal(asker->from[5], 4);
	assert_int_equal(asker->heard[4], 1); /* it was not silent */
	/* one that goes on answers both */
	s.sides[3].stopped = false;
	pass(FERRY_MS(20));
	assert_int_equal(asker->from[3], 3);
	finish();
}

/* Of four ranks of one host only the first one that is not silent speaks. */
static void the_others_do_not_speak(void **state)
{
	(void)state;
	begin(8, 4, FERRY_NONE);
	s.sides[4].stopped = s.sides[6].stopped = true;
	ask(0, 0xA0, 0x50);
	pass(FERRY_MS(20));
	assert_int_equal(s.sides[0].heard[4], 1);
	assert_int_equal(s.sides[0].heard[6], 1);
	assert_int_equal(s.sides[0].from[4], 5);
	assert_int_equal(s.sides[0].heard[5] + s.sides[0].heard[7], 0);
	finish();
}

/* Who was taken for silent, and is not, answers for itself. */
static void who_was_slow_answers_for_itself(void **state)
{
	(void)state;
	begin(4, 2, FERRY_NONE);
	ask(0, 0x4, 0x4);
	pass(FERRY_MS(20));
	assert_int_equal(s.sides[0].heard[2], 1);
	assert_int_equal(s.sides[0].from[2], 2);
	finish();
}

/* ---- trouble -------------------------------------------------------------------------------- */

/* Batches are lost on their way here and there. The asker asks again, until all have answered. */
static void what_is_lost_is_asked_for_again(void **state)
{
	(void)state;
	begin(4, 1, FERRY_NONE);
	struct side *asker = &s.sides[0];
	fy_sim_lose_batches(s.sim, 1, 0, 2);
	fy_sim_lose_batches(s.sim, 0, 0, 3);
	fy_sim_refuse(s.sim, 2, 2);
	unsigned rounds = 0;
	for (uint64_t missing; (missing = unheard(asker, 0xE)) && rounds < 20; rounds++) {
		ask(0, missing, 0);
		pass(FERRY_MS(20));
	}
	assert_true(rounds > 1 && rounds < 20);
	assert_int_equal(asker->wrong, 0);
	give_up(); /* its MPI lost what a close relies on */
}

/* The asker dies, at every step that the question takes. The others go on and close. */
static void the_asker_may_die(void **state)
{
	(void)state;
	for (unsigned steps = 0; steps < 12; steps++) {
		begin(4, 2, FERRY_MS(100));
		ask(3, 0x7, 0);
		for (unsigned i = 0; i < steps; i++)
			if (!step_all())
				fy_sim_advance(s.sim);
		fy_sim_kill(s.sim, 3);
		pass(FERRY_MS(20));
		for (int i = 0; i < 3; i++)
			begin_close(&s.sides[i]);
		pass(FERRY_S(2));
		for (int i = 0; i < 3; i++)
			assert_true(s.sides[i].p->close.stopped);
		give_up();
	}
}

/* Engines that close while a question is under way, at every step that it takes. */
static void engines_may_close(void **state)
{
	(void)state;
	for (unsigned steps = 0; steps < 12; steps++) {
		begin(4, 2, FERRY_NONE);
		for (int i = 0; i < 4; i++)
			begin_close(&s.sides[i]);
		for (unsigned i = 0; i < steps; i++)
			if (!step_all())
				fy_sim_advance(s.sim);
		ask(0, 0xE, 0);
		ask(2, 0xB, 0x2);
		finish();
	}
}

/* Who waits in a close for others answers. */
static void a_close_that_waits_answers(void **state)
{
	(void)state;
	begin(3, 1, FERRY_NONE);
	begin_close(&s.sides[1]);
	pass(FERRY_MS(20));
	ask(0, 0x6, 0);
	pass(FERRY_MS(20));
	assert_int_equal(unheard(&s.sides[0], 0x6), 0);
	ask(1, 0x5, 0);
	pass(FERRY_MS(20));
	assert_int_equal(unheard(&s.sides[1], 0x5), 0);
	finish();
}

/* Its receives may have ended: the word would stay in MPI. */
static void nothing_goes_to_who_has_said_goodbye(void **state)
{
	(void)state;
	begin(2, 1, FERRY_NONE);
	struct fy_channel *ch = fy_peer_get(s.sides[0].p, 1);
	ch->bye.seen = true;
	uint64_t before = fy_sim_stats(s.sim)->sends;
	ask(0, 0x2, 0);
	pass(FERRY_MS(20));
	assert_int_equal(fy_sim_stats(s.sim)->sends, before);
	ch->bye.seen = false;
	ask(0, 0x2, 0);
	pass(FERRY_MS(20));
	assert_int_equal(s.sides[0].heard[1], 1);
	finish();
}

/* ---- lies ----------------------------------------------------------------------------------- */

static uint64_t malformed_by(const void *word, size_t nbytes)
{
	struct fy_progress *p = s.sides[0].p;
	uint64_t before = p->link.stats.malformed;
	fy_question_hear(p, fy_peer_get(p, 1), word, nbytes);
	return p->link.stats.malformed - before;
}

static void lies_do_nothing(void **state)
{
	struct {
		struct fy_crew_word word;
		struct fy_question q;
		uint64_t set, more;
	} question = { .word.kind = FY_CREW_QUESTION, .q.id = 1 };
	struct {
		struct fy_crew_word word;
		struct fy_report report;
		char bytes[8];
	} report = { .word.kind = FY_CREW_REPORT, .report.id = ID };

	(void)state;
	begin(4, 2, FERRY_NONE);
	size_t right = fy_crew_word_question_bytes(4);
	for (size_t n = sizeof question.word; n <= sizeof question; n++)
		assert_int_equal(malformed_by(&question, n), n != right);
	for (int bit = 4; bit < 64; bit++) {
		question.set = UINT64_C(1) << bit;
		assert_int_equal(malformed_by(&question, right), 1);
	}
	for (size_t n = sizeof report.word; n < sizeof report.word + sizeof report.report; n++)
		assert_int_equal(malformed_by(&report, n), 1);
	s.sides[0].p->questions.id = ID;
	for (int about = -3; about < 8; about++) {
		report.report.about = about;
		s.report_bytes = 0;
		assert_int_equal(malformed_by(&report, sizeof report - 8), about < 0 || about > 3);
	}
	assert_int_equal(s.sides[0].heard[3], 1);
	s.sides[0].p->questions.id = 0;
	assert_int_equal(malformed_by(&report, sizeof report), 1);
	report.report.about = 3;
	assert_int_equal(malformed_by(&report, sizeof report), 0); /* nobody asked */
	assert_int_equal(s.sides[0].heard[3], 1);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rank_reports_on_itself),
		cmocka_unit_test(a_report_may_fill_a_batch_or_be_empty),
		cmocka_unit_test(only_who_is_asked_answers),
		cmocka_unit_test(two_may_ask_at_once),
		cmocka_unit_test(an_answer_to_an_older_question_is_dropped),
		cmocka_unit_test(the_first_rank_of_a_host_speaks_for_the_silent),
		cmocka_unit_test(the_others_do_not_speak),
		cmocka_unit_test(who_was_slow_answers_for_itself),
		cmocka_unit_test(what_is_lost_is_asked_for_again),
		cmocka_unit_test(the_asker_may_die),
		cmocka_unit_test(engines_may_close),
		cmocka_unit_test(a_close_that_waits_answers),
		cmocka_unit_test(nothing_goes_to_who_has_said_goodbye),
		cmocka_unit_test(lies_do_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
