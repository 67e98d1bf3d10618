/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks that die: whole engines over the simulated network, one of which is killed, stopped, cut
 * off, named by the program or aborted, at a moment that the seed chooses, while all post, call and
 * send large messages to one another.
 *
 * What is checked: every future of the others ends, in time, and with FERRY_OK if it is of one of
 * them; they agree on who is gone, and are told once; nothing of that rank is delivered once it is;
 * who wakes up after it was left out stops; closes end.
 */
#include "support/life.h"
#include "support/shortage.h"
#include "sim/net/sim.h"

#include "app/own_lane.h"
#include "app/post.h"
#include "base/bits.h"
#include "base/log.h"
#include "base/order.h"
#include "helm/close.h"
#include "helm/lookout.h"
#include "helm/peer.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "shared/thread.h"
#include "wire/record.h"

#include <fcntl.h>

enum { RANKS_MAX = 6, OPEN_MAX = 4000, LARGE = 300000 };
enum { OP_POST = 1, OP_CALL, OP_LATE };
#define TIMEOUT FERRY_MS(120)

enum fault { KILL, STOP, CUT_IN, CUT_OUT, CUT_BOTH, NAME, ABORT, FAULTS };

struct op {
	ferry_future *future;
	int to;
};

struct side {
	struct scene *scene;
	ferry *engine;
	struct fy_progress *p;
	struct fy_lane *lane;
	struct op ops[OPEN_MAX];
	unsigned n_ops, n_ok;
	unsigned told[RANKS_MAX]; /* how often it was told that that rank is gone */
	unsigned handled;
	ferry_message *retained[64]; /* requests that are answered later */
	unsigned n_retained;
	bool killed, stopped, closed;
};

struct scene {
	fy_sim *sim;
	uint64_t random;
	int n;
	struct side sides[RANKS_MAX];
	char wrong[200];
};

static char large[LARGE];

static uint32_t pick(struct scene *s, uint32_t n)
{
	return (uint32_t)(t_random(&s->random) >> 33) % n;
}

/* ---- handlers ------------------------------------------------------------------------------- */

static void see(struct side *side, const ferry_message *m)
{
	int from = ferry_message_source(m);

	side->handled++;
	if (from != side->engine->rank && !fy_crew_is_member(&side->p->lookout.crew, from))
		snprintf(side->scene->wrong, sizeof side->scene->wrong,
		         "rank %d handles what came from %d, which is gone", side->engine->rank,
		         from);
}

static void on_message(ferry *engine, ferry_message *m, void *arg)
{
	(void)engine;
	see(arg, m);
}

static void on_late(ferry *engine, ferry_message *m, void *arg)
{
	struct side *side = arg;

	(void)engine;
	see(side, m);
	if (side->n_retained < 64) {
		ferry_message_retain(m);
		side->retained[side->n_retained++] = m;
	}
}

static void on_gone(ferry *engine, int rank, int status, const char *why, void *arg)
{
	struct side *side = arg;

	assert_int_equal(status, FERRY_EPEER);
	assert_non_null(why);
	assert_ptr_equal(engine, side->engine);
	side->told[rank]++;
}

static void answer_late(struct side *side)
{
	while (side->n_retained) {
		ferry_message *m = side->retained[--side->n_retained];
		ferry_reply(m, "late", 4);
		ferry_message_release(m);
	}
}

/* ---- engines -------------------------------------------------------------------------------- */

static void open_side(struct scene *s, int rank)
{
	struct side *side = &s->sides[rank];
	ferry_options given = FERRY_OPTIONS_INIT;

	given.flags = FERRY_NONBLOCK;
	given.spin = given.sleep_max = FERRY_NONE;
	given.peer_timeout = TIMEOUT;
	side->scene = s;
	side->engine = t_open(fy_sim_port(s->sim, rank), &given);
	side->p = side->engine->progress;
	side->lane = fy_own_lane_create(side->engine);
	ferry *before = fy_thread_begin(FY_INLINE, side->engine);
	assert_int_equal(ferry_handle(side->engine, OP_POST, FERRY_INLINE, on_message, side), 0);
	assert_int_equal(ferry_handle(side->engine, OP_CALL, FERRY_INLINE, on_message, side), 0);
	assert_int_equal(ferry_handle(side->engine, OP_LATE, FERRY_INLINE, on_late, side), 0);
	assert_int_equal(ferry_on_peer(side->engine, FERRY_INLINE, on_gone, side), 0);
	fy_thread_end(FY_INLINE, before);
}

static bool runs(const struct side *side)
{
	return !side->killed && !side->stopped && !side->closed;
}

/* One round: everybody steps, then time passes. */
static void round_of(struct scene *s)
{
	bool worked = false;

	for (int i = 0; i < s->n; i++)
		if (runs(&s->sides[i]))
			worked |= fy_step_once(s->sides[i].p, true);
	if (!fy_sim_advance(s->sim) && !worked)
		fy_sim_advance_to(s->sim, fy_sim_now(s->sim) + FERRY_MS(1));
}

static void pass(struct scene *s, int64_t time)
{
	for (int64_t until = fy_sim_now(s->sim) + time; fy_sim_now(s->sim) < until && !s->wrong[0];)
		round_of(s);
}

static void act(struct scene *s, struct side *side)
{
	int to = (int)pick(s, (uint32_t)s->n);
	uint32_t what = pick(s, 6);
	struct fy_post o = { .engine = side->engine,
		             .lane = side->lane,
		             .kind = what < 3 ? FY_KIND_POST : FY_KIND_CALL,
		             .rank = to,
		             .op = what < 3    ? OP_POST
		                   : what == 3 ? OP_LATE
		                               : OP_CALL,
		             .body = large,
		             .nbytes = pick(s, 8) ? pick(s, 200) : pick(s, LARGE) };
	ferry_future *future = NULL;

	if (side->n_ops == OPEN_MAX || fy_post(&o, what ? &future : NULL) != FERRY_OK || !future)
		return;
	side->ops[side->n_ops++] = (struct op){ future, to };
}

/* Time passes, and requests are answered. */
static void calm(struct scene *s, int64_t time)
{
	for (int64_t until = fy_sim_now(s->sim) + time;
	     fy_sim_now(s->sim) < until && !s->wrong[0];) {
		for (int i = 0; i < s->n; i++)
			if (runs(&s->sides[i]))
				answer_late(&s->sides[i]);
		round_of(s);
	}
}

static void traffic(struct scene *s, unsigned rounds)
{
	for (unsigned i = 0; i < rounds && !s->wrong[0]; i++) {
		for (int rank = 0; rank < s->n; rank++)
			if (runs(&s->sides[rank]) && pick(s, 2))
				act(s, &s->sides[rank]);
		round_of(s);
	}
}

/* ---- faults --------------------------------------------------------------------------------- */

static void cut(struct scene *s, int victim, bool in, bool out)
{
	for (int i = 0; i < s->n; i++) {
		if (i == victim)
			continue;
		if (in)
			fy_sim_cut(s->sim, i, victim);
		if (out)
			fy_sim_cut(s->sim, victim, i);
	}
}

static void happen(struct scene *s, enum fault fault, int victim)
{
	struct side *side = &s->sides[victim];

	switch (fault) {
	case KILL:
		side->killed = true;
		fy_sim_kill(s->sim, victim);
		break;
	case STOP:
		side->stopped = true;
		break;
	case CUT_IN:
		cut(s, victim, true, false);
		break;
	case CUT_OUT:
		cut(s, victim, false, true);
		break;
	case CUT_BOTH:
		cut(s, victim, true, true);
		break;
	case NAME:
		side = &s->sides[(victim + 1) % s->n];
		ferry *before = fy_thread_begin(FY_INLINE, side->engine);
		assert_int_equal(ferry_peer_gone(side->engine, victim, "the test says so"), 0);
		fy_thread_end(FY_INLINE, before);
		break;
	case ABORT:
		ferry_abort(side->engine, FERRY_EREMOTE);
		break;
	case FAULTS:
		break;
	}
}

/* ---- what is looked at ---------------------------------------------------------------------- */

static void settle_ops(struct side *side, int victim)
{
	for (unsigned i = 0; i < side->n_ops && !side->scene->wrong[0]; i++) {
		struct op *op = &side->ops[i];
		int status = ferry_future_poll(op->future);
		if (status == FERRY_PENDING ||
		    (status != FERRY_OK && (op->to != victim || status != FERRY_EPEER)))
			snprintf(side->scene->wrong, sizeof side->scene->wrong,
			         "what rank %d has with rank %d: %s", side->engine->rank, op->to,
			         status > 0 ? "pending" : ferry_strname(status));
		side->n_ok += status == FERRY_OK;
	}
}

static void drop_ops(struct side *side)
{
	for (unsigned i = 0; i < side->n_ops; i++)
		ferry_future_release(side->ops[i].future);
	side->n_ops = 0;
	answer_late(side);
}

static void check_survivor(struct scene *s, int rank, int victim)
{
	struct side *side = &s->sides[rank];
	const struct fy_crew *crew = &side->p->lookout.crew;

	if (crew->stop || crew->now.number != 1 ||
	    fy_bits_count(crew->now.members, s->n) != s->n - 1)
		snprintf(s->wrong, sizeof s->wrong, "rank %d has crew %u: %#llx, stop %d", rank,
		         crew->now.number, (unsigned long long)crew->now.members[0], crew->stop);
	for (int i = 0; i < s->n && !s->wrong[0]; i++)
		if (side->told[i] != (i == victim) ||
		    ferry_peer_status(side->engine, i) != (i == victim ? FERRY_EPEER : FERRY_OK))
			snprintf(s->wrong, sizeof s->wrong, "rank %d was told %u times of rank %d",
			         rank, side->told[i], i);
	settle_ops(side, victim);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void side_end(struct side *side)
{
	answer_late(side);
	fy_close_abort(side->p, FERRY_EPEER, "the test ends"); /* unless it has closed */
	for (int i = 0; i < 20; i++) /* what the network had of it comes back */
		fy_step_once(side->p, true);
	side->p->close.clean = true; /* this network writes nowhere any more */
	fy_life_destroy(side->engine);
	side->closed = true;
	t_leave(side->engine, side->lane);
	drop_ops(side);
	assert_int_equal(side->engine->refs, 1);
	fy_engine_release(side->engine);
}

static void close_all(struct scene *s)
{
	for (int i = 0; i < s->n; i++) {
		struct side *side = &s->sides[i];
		side->stopped = false;
		answer_late(side);
		if (side->killed || side->p->close.begun)
			continue;
		fy_store_release_32(&side->engine->phase, FY_CLOSING);
		fy_close_begin(side->p);
	}
	for (int64_t until = fy_sim_now(s->sim) + 3 * TIMEOUT; fy_sim_now(s->sim) < until;) {
		bool open = false;
		for (int i = 0; i < s->n; i++)
			open |= runs(&s->sides[i]) && !s->sides[i].p->close.stopped;
		if (!open)
			return;
		round_of(s);
	}
	if (!s->wrong[0])
		snprintf(s->wrong, sizeof s->wrong, "a close does not end");
}

static void end(struct scene *s, uint64_t seed, const char *what)
{
	if (s->wrong[0])
		fail_msg("seed %llu (%d ranks, %s): %s", (unsigned long long)seed, s->n, what,
		         s->wrong);
	for (int i = 0; i < s->n; i++)
		fy_sim_kill(s->sim, i);
	for (int i = 0; i < s->n; i++)
		side_end(&s->sides[i]);
	fy_sim_destroy(s->sim);
}

/* ---- runs ----------------------------------------------------------------------------------- */

static const char *const names[] = { "killed",  "stopped", "cut off, inwards", "cut off, outwards",
	                             "cut off", "named",   "aborted" };
static unsigned long handled, n_ok, n_failed;

static void begin(struct scene *s, uint64_t seed)
{
	struct fy_sim_options net = { .remote = seed & 8,
		                      .eager_max = seed & 16 ? SIZE_MAX : 8192 };

	memset(s, 0, sizeof *s);
	s->random = seed;
	s->n = 3 + (int)(seed % (RANKS_MAX - 2));
	s->sim = fy_sim_create(s->n, seed, &net);
	for (int i = 0; i < s->n; i++)
		open_side(s, i);
}

/* The victim of any fault: it is left out, or has left, and its engine has stopped, unless it
 * cannot know. */
static void check_victim(struct scene *s, enum fault fault, int victim)
{
	struct side *side = &s->sides[victim];
	int status = side->engine->status;

	if (fault == KILL || s->wrong[0])
		return;
	if (!side->p->close.stopped || status != (fault == ABORT ? FERRY_EREMOTE : FERRY_EPEER))
		snprintf(s->wrong, sizeof s->wrong, "rank %d goes on (status %s)", victim,
		         ferry_strname(status));
	for (unsigned i = 0; i < side->n_ops && !s->wrong[0]; i++)
		if (ferry_future_poll(side->ops[i].future) == FERRY_PENDING)
			snprintf(s->wrong, sizeof s->wrong, "what rank %d has with rank %d pends",
			         victim, side->ops[i].to);
}

/* How long the others may need. Who is cut off has to stop by itself before they know. */
static int64_t known_after(enum fault fault, bool remote)
{
	if (fault == NAME || fault == ABORT)
		return TIMEOUT / 4;
	if (fault == KILL && !remote) /* which is proved */
		return TIMEOUT / 2;
	return TIMEOUT * (fault == KILL || fault == STOP ? 7 : 10) / 4;
}

static void run(uint64_t seed)
{
	static struct scene s;

	begin(&s, seed);
	enum fault fault = (enum fault)(seed % FAULTS);
	int victim = (int)pick(&s, (uint32_t)s.n);
	traffic(&s, pick(&s, 200));
	happen(&s, fault, victim);
	int64_t begun = fy_sim_now(s.sim);
	traffic(&s, 50 + pick(&s, 50));
	calm(&s, begun + known_after(fault, seed & 8) - fy_sim_now(s.sim));
	for (int i = 0; i < s.n && !s.wrong[0]; i++)
		if (i != victim)
			check_survivor(&s, i, victim);
	s.sides[victim].stopped = false;
	pass(&s, 3 * TIMEOUT);
	check_victim(&s, fault, victim);
	for (int i = 0; i < s.n; i++) {
		handled += s.sides[i].handled;
		n_ok += s.sides[i].n_ok;
		n_failed += s.sides[i].n_ops - s.sides[i].n_ok;
	}
	if (!s.wrong[0])
		close_all(&s);
	end(&s, seed, names[fault]);
}

static void all_others_go_on(void **state)
{
	unsigned long only = t_env("FERRY_SEED", 0), seeds = only ? 1 : t_seeds(140),
		      first = only ? only : t_env("FERRY_FIRST_SEED", 1);

	(void)state;
	for (unsigned long i = 0; i < seeds; i++)
		run(first + i);
	printf("# %lu messages handled, %lu futures ended well, %lu did not\n", handled, n_ok,
	       n_failed);
}

/* Idle ranks send nothing, however long: nobody waits for anything. */
static void ranks_that_want_nothing_say_nothing(void **state)
{
	static struct scene s;

	(void)state;
	begin(&s, 1);
	traffic(&s, 100);
	calm(&s, TIMEOUT);
	uint64_t sends = fy_sim_stats(s.sim)->sends;
	pass(&s, 100 * TIMEOUT);
	assert_int_equal(fy_sim_stats(s.sim)->sends, sends);
	close_all(&s);
	end(&s, 1, "idle");
}

/* Of all ranks together: nobody has accused anybody. */
static void assert_peace(const struct scene *s)
{
	for (int i = 0; i < s->n; i++)
		assert_int_equal(s->sides[i].p->lookout.crew.promised.count, 0);
}

static void call_late(struct scene *s)
{
	struct side *side = &s->sides[0];
	struct fy_post o = { .engine = side->engine,
		             .lane = side->lane,
		             .kind = FY_KIND_CALL,
		             .rank = 1,
		             .op = OP_LATE };
	assert_int_equal(fy_post(&o, &side->ops[side->n_ops].future), FERRY_OK);
	side->ops[side->n_ops++].to = 1;
}

/* Nothing else is awaited of the rank that dies. */
static void a_call_alone_is_enough_to_listen(void **state)
{
	static struct scene s;

	(void)state;
	begin(&s, 4);
	call_late(&s);
	pass(&s, TIMEOUT / 4);
	happen(&s, KILL, 1);
	pass(&s, 2 * TIMEOUT);
	assert_int_equal(ferry_future_poll(s.sides[0].ops[0].future), FERRY_EPEER);
	close_all(&s);
	end(&s, 4, "call");
}

/* A call that is not answered for long is no sign of death: the rank says that it is there. */
static void a_rank_that_takes_its_time_stays(void **state)
{
	static struct scene s;

	(void)state;
	begin(&s, 2);
	call_late(&s);
	pass(&s, 20 * TIMEOUT);
	assert_peace(&s);
	answer_late(&s.sides[1]);
	pass(&s, TIMEOUT);
	settle_ops(&s.sides[0], -1);
	close_all(&s);
	end(&s, 2, "late");
}

/* Code of rank 1's program does not return for so long. Its watchdog says so, unless its process is
 * stopped. */
static void be_late(struct scene *s, int64_t time, bool stopped)
{
	struct side *side = &s->sides[1];

	side->stopped = true;
	for (int64_t until = fy_sim_now(s->sim) + time; fy_sim_now(s->sim) < until;) {
		if (!stopped)
			fy_sim_beat(s->sim, 1);
		calm(s, TIMEOUT / 24);
	}
	side->stopped = false;
}

static void a_rank_that_is_late_is_not_dead(void **state)
{
	static struct scene s;

	(void)state;
	begin(&s, 2);
	traffic(&s, 50);
	call_late(&s);
	be_late(&s, 10 * TIMEOUT, false);
	assert_peace(&s);
	assert_int_equal(ferry_future_poll(s.sides[0].ops[s.sides[0].n_ops - 1].future),
	                 FERRY_PENDING);
	calm(&s, TIMEOUT);
	assert_peace(&s);
	for (int i = 0; i < s.n; i++)
		settle_ops(&s.sides[i], -1);
	close_all(&s);
	end(&s, 2, "late");
}

/* Its handler does not return, and then its process is stopped. */
static void a_rank_that_is_late_and_then_stopped_goes(void **state)
{
	static struct scene s;

	(void)state;
	begin(&s, 2);
	call_late(&s);
	be_late(&s, 3 * TIMEOUT, false);
	assert_peace(&s);
	be_late(&s, TIMEOUT / 2, true);
	assert_peace(&s);
	be_late(&s, 2 * TIMEOUT, true);
	assert_int_equal(ferry_future_poll(s.sides[0].ops[0].future), FERRY_EPEER);
	calm(&s, TIMEOUT);
	for (int i = 0; i < s.n; i++)
		if (i != 1)
			check_survivor(&s, i, 1);
	check_victim(&s, STOP, 1);
	close_all(&s);
	end(&s, 2, "late, then stopped");
}

/* Between hosts nobody sees its watchdog. */
static void a_rank_that_is_late_elsewhere_goes(void **state)
{
	static struct scene s;

	(void)state;
	begin(&s, 8);
	call_late(&s);
	be_late(&s, 2 * TIMEOUT, false);
	assert_int_equal(ferry_future_poll(s.sides[0].ops[0].future), FERRY_EPEER);
	close_all(&s);
	end(&s, 8, "late elsewhere");
}

/* Who is late is waited for, and takes part in the agreement on the other one's death. */
static void a_death_beside_a_rank_that_is_late(void **state)
{
	static struct scene s;

	(void)state;
	begin(&s, 2);
	traffic(&s, 50);
	be_late(&s, TIMEOUT, false);
	happen(&s, KILL, 2);
	traffic(&s, 50);
	be_late(&s, 5 * TIMEOUT, false);
	for (int i = 0; i < s.n; i++)
		assert_true(fy_crew_is_member(&s.sides[i].p->lookout.crew, 1));
	calm(&s, 2 * TIMEOUT);
	for (int i = 0; i < s.n; i++)
		if (i != 2)
			check_survivor(&s, i, 2);
	close_all(&s);
	end(&s, 2, "late beside a death");
}

/* Long before the timeout, and by who waits for it; who does not learns it from that one. */
static void a_death_is_proved(void **state)
{
	static struct scene s;

	(void)state;
	begin(&s, 2);
	call_late(&s);
	pass(&s, TIMEOUT / 24);
	happen(&s, KILL, 1);
	pass(&s, TIMEOUT / 4);
	assert_int_equal(ferry_future_poll(s.sides[0].ops[0].future), FERRY_EPEER);
	for (int i = 0; i < s.n; i++)
		if (i != 1)
			check_survivor(&s, i, 1);
	close_all(&s);
	end(&s, 2, "proved");
}

static void watch_peers(struct side *side, ferry_peer_fn *fn)
{
	ferry *before = fy_thread_begin(FY_INLINE, side->engine);
	assert_int_equal(ferry_on_peer(side->engine, FERRY_INLINE, fn, side), FERRY_OK);
	fy_thread_end(FY_INLINE, before);
}

/* Who does not watch is not told, and later of all. Without memory for it: when there is some. */
static void who_watches_later_is_told_of_those_before(void **state)
{
	static struct scene s;

	(void)state;
	begin(&s, 2);
	for (int i = 0; i < s.n; i++)
		shortage_spare_port(s.sides[i].p->link.port);
	watch_peers(&s.sides[0], NULL);
	call_late(&s);
	happen(&s, KILL, 1);
	pass(&s, 2 * TIMEOUT);
	assert_int_equal(ferry_peer_status(s.sides[0].engine, 1), FERRY_EPEER);
	assert_int_equal(s.sides[0].told[1], 0);
	assert_int_equal(s.sides[2].told[1], 1);
	watch_peers(&s.sides[0], on_gone);
	shortage_begin(1, SHORTAGE_ALL, 0);
	pass(&s, TIMEOUT);
	assert_true(shortage_end() > 0);
	assert_int_equal(s.sides[0].told[1], 0);
	pass(&s, TIMEOUT);
	for (int i = 0; i < s.n; i++)
		if (i != 1)
			check_survivor(&s, i, 1);
	close_all(&s);
	end(&s, 2, "watched later");
}

static unsigned n_proofs;

static bool nobody_is_dead(fy_port *port, int rank)
{
	(void)port;
	(void)rank;
	n_proofs++;
	return false;
}

/* Rank 0 waits for an answer of rank 1, which dies. Returns how often it asked for a proof. */
static unsigned proofs_asked_for(bool proves)
{
	static struct scene s;
	static struct fy_port_ops ops;

	begin(&s, 2);
	fy_port *port = s.sides[0].p->link.port;
	ops = *port->ops;
	ops.is_dead = nobody_is_dead;
	port->ops = &ops;
	for (int i = 0; i < s.n; i++)
		s.sides[i].p->link.port->proves = proves && i == 0;
	n_proofs = 0;
	call_late(&s);
	happen(&s, KILL, 1);
	pass(&s, 3 * TIMEOUT);
	assert_int_equal(ferry_future_poll(s.sides[0].ops[0].future), FERRY_EPEER);
	close_all(&s);
	end(&s, 2, "proofs");
	return n_proofs;
}

/* Silence tells it all the same. */
static void where_nothing_can_be_proved_nobody_looks(void **state)
{
	(void)state;
	assert_true(proofs_asked_for(true) > 1);
	assert_int_equal(proofs_asked_for(false), 0);
}

/* All processes of the job were stopped for an hour, as by a debugger. */
static void nobody_is_blamed_for_a_pause_of_all(void **state)
{
	static struct scene s;

	(void)state;
	begin(&s, 3);
	traffic(&s, 100);
	fy_sim_advance_to(s.sim, fy_sim_now(s.sim) + 1000 * TIMEOUT);
	traffic(&s, 100);
	calm(&s, 3 * TIMEOUT);
	assert_peace(&s);
	for (int i = 0; i < s.n; i++)
		settle_ops(&s.sides[i], -1);
	close_all(&s);
	end(&s, 3, "pause");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_others_go_on),
		cmocka_unit_test(ranks_that_want_nothing_say_nothing),
		cmocka_unit_test(a_call_alone_is_enough_to_listen),
		cmocka_unit_test(a_rank_that_takes_its_time_stays),
		cmocka_unit_test(nobody_is_blamed_for_a_pause_of_all),
		cmocka_unit_test(a_rank_that_is_late_is_not_dead),
		cmocka_unit_test(a_rank_that_is_late_and_then_stopped_goes),
		cmocka_unit_test(a_rank_that_is_late_elsewhere_goes),
		cmocka_unit_test(a_death_beside_a_rank_that_is_late),
		cmocka_unit_test(a_death_is_proved),
		cmocka_unit_test(who_watches_later_is_told_of_those_before),
		cmocka_unit_test(where_nothing_can_be_proved_nobody_looks),
	};
	fy_log_say_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
