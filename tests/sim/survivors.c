/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fences and closes while ranks die: whole engines over the simulated network. All post to one
 * another, with handlers inline and in a queue that post on, fence some times, and close. Ranks are
 * killed or stopped at a step of a fence or close that the seed chooses: in a round, when some have
 * finished and others have not, when some are frozen, when some have said goodbye; another one at
 * once, later, or the rank that coordinates the new crew.
 *
 * What is checked of those that live: each fence ends, in time, and says whether a rank was lost
 * meanwhile; then nothing that a member posted before it to a member is left, nor what handlers
 * posted of that, and nothing comes any more of a rank that is gone; all that they posted to one
 * another is handled once; closes end with all of it, in time, without giving up.
 */
#include "support/life.h"
#include "sim/net/sim.h"

#include "app/own_lane.h"
#include "app/post.h"
#include "base/bits.h"
#include "base/log.h"
#include "base/order.h"
#include "future/future.h"
#include "helm/agree.h"
#include "helm/close.h"
#include "helm/command.h"
#include "helm/crew.h"
#include "helm/errands.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "shared/engine.h"
#include "shared/handler.h"
#include "shared/lane.h"
#include "shared/message.h"
#include "shared/thread.h"
#include "wire/record.h"

#include <fcntl.h>

enum { RANKS_MAX = 7, FENCES = 3, LETTERS = 6000, DEPTH = 3, EACH = 40 };
enum { OP_INLINE = 1, OP_QUEUE, OP_CALL };
#define TIMEOUT FERRY_MS(120)
#define PATIENCE (6 * TIMEOUT) /* from the last death on, for an agreement that goes on */

/* When the first one dies, and who. The second one. */
enum when { IN_ROUND, SOME_OVER, SOME_FROZEN, SOME_BYES, WHENS };
enum second { NOBODY, AT_ONCE, COORDINATOR, LATER, SECONDS };

struct letter {
	uint8_t from, to, epoch, depth, handled;
};

struct side {
	struct scene *scene;
	ferry *engine;
	struct fy_progress *p;
	struct fy_lane *lane, *of_handlers;
	ferry_executor *queue;
	ferry_future *fence;
	uint32_t crew;   /* when it joined that */
	unsigned joined; /* fences */
	unsigned posted; /* since then */
	bool clean;      /* a fence was over since there is this crew: nothing of others comes */
	bool killed, stopped, lost, closing;
};

struct scene {
	fy_sim *sim;
	uint64_t random;
	int n;
	struct side sides[RANKS_MAX];
	struct letter letters[LETTERS];
	unsigned n_letters;
	enum when when;
	enum second second;
	unsigned agreement, round; /* of the first death */
	unsigned deaths;
	bool stop;          /* stopped, not killed; goes on later */
	int64_t died_at;    /* the last one */
	int64_t second_at;  /* for LATER */
	unsigned ok, lossy; /* fences */
	char wrong[200];
};

static uint32_t pick(struct scene *s, uint32_t n)
{
	return (uint32_t)(t_random(&s->random) >> 33) % n;
}

static void wrong(struct scene *s, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (!s->wrong[0])
		vsnprintf(s->wrong, sizeof s->wrong, format, args);
	va_end(args);
}

static bool runs(const struct side *side)
{
	return !side->killed && !side->stopped && !side->p->close.stopped;
}

static bool is_member(const struct side *side, int rank)
{
	return fy_crew_is_member(&side->p->lookout.crew, rank);
}

/* ---- letters -------------------------------------------------------------------------------- */

static void write_letter(struct side *side, struct fy_lane *lane, unsigned epoch, unsigned depth)
{
	static char bytes[20000];
	struct scene *s = side->scene;
	uint32_t id = s->n_letters;
	if (id == LETTERS)
		return;
	uint32_t op = 1 + pick(s, 3);
	struct letter letter = { (uint8_t)side->engine->rank, (uint8_t)pick(s, (uint32_t)s->n),
		                 (uint8_t)epoch, (uint8_t)depth, 0 };
	struct fy_post o = { .engine = side->engine,
		             .lane = lane,
		             .kind = op == OP_CALL ? FY_KIND_CALL : FY_KIND_POST,
		             .rank = letter.to,
		             .op = op,
		             .body = bytes,
		             .nbytes = pick(s, 60) ? 8 + pick(s, 100) : sizeof bytes };
	ferry_future *future = NULL;
	memcpy(bytes, &id, sizeof id);
	if (fy_post(&o, op == OP_CALL || pick(s, 5) == 0 ? &future : NULL) != FERRY_OK)
		return;
	ferry_future_release(future);
	s->letters[s->n_letters++] = letter;
}

static void handle(ferry *engine, ferry_message *m, void *arg)
{
	struct side *side = arg;
	struct scene *s = side->scene;
	uint32_t id;
	memcpy(&id, ferry_message_body(m, NULL), sizeof id);
	struct letter *letter = &s->letters[id];
	bool stranger = !is_member(side, letter->from);
	if (letter->handled++)
		wrong(s, "letter %u from rank %d is handled twice", id, letter->from);
	if (stranger && (side->clean || ferry_message_op(m) != OP_QUEUE) && !side->lost)
		wrong(s, "rank %d handles what came from rank %d, which is gone", engine->rank,
		      letter->from);
	uint32_t tag = fy_lane_tag_posts(side->of_handlers, fy_handler_tag_here(engine));
	for (unsigned n = letter->depth < DEPTH ? pick(s, 2) : 0; n; n--)
		write_letter(side, side->of_handlers, letter->epoch, letter->depth + 1u);
	fy_lane_tag_posts(side->of_handlers, tag);
}

/* What a fence of that rank ended, or a close: nothing between its members may be left. */
static void check_handled(struct scene *s, const struct side *side, unsigned epochs)
{
	for (unsigned i = 0; i < s->n_letters; i++) {
		const struct letter *l = &s->letters[i];
		if (!l->handled && l->epoch < epochs && is_member(side, l->from) &&
		    is_member(side, l->to) && !s->sides[l->from].lost && !s->sides[l->to].lost)
			wrong(s,
			      "agreement %u of rank %d is over, and letter %u of epoch %u from "
			      "rank %d to %d is not handled",
			      side->p->agree.finished, side->engine->rank, i, l->epoch, l->from,
			      l->to);
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
	side->of_handlers = fy_own_lane_create(side->engine);
	assert_int_equal(ferry_queue_create(side->engine, &side->queue), 0);
	ferry *before = fy_thread_begin(FY_INLINE, side->engine);
	for (uint32_t op = OP_INLINE; op <= OP_CALL; op++)
		assert_int_equal(ferry_handle(side->engine, op,
		                              op == OP_QUEUE ? side->queue : FERRY_INLINE, handle,
		                              side),
		                 0);
	fy_thread_end(FY_INLINE, before);
}

/* Once a close gave up this network writes nowhere any more: all is freed. */
static void side_end(struct side *side)
{
	fy_close_abort(side->p, FERRY_EPEER, "the test ends"); /* unless it has closed */
	for (int i = 0; i < 20; i++)
		fy_step_once(side->p, true);
	side->p->close.clean = true;
	fy_life_destroy(side->engine);
	ferry_future_release(side->fence);
	ferry_executor_destroy(side->queue);
	t_leave(side->engine, side->lane);
	t_leave(side->engine, side->of_handlers);
	assert_int_equal(side->engine->refs, 1);
	fy_engine_release(side->engine);
}

/* ---- deaths --------------------------------------------------------------------------------- */

static void kill_one(struct scene *s, int rank)
{
	struct side *side = &s->sides[rank];
	if (!runs(side))
		return;
	side->lost = true;
	s->deaths++;
	s->died_at = fy_sim_now(s->sim);
	if (s->stop && s->deaths == 1) {
		side->stopped = true;
		return;
	}
	side->killed = true;
	fy_sim_kill(s->sim, rank);
}

/* The lowest that runs is the root of the tree. */
static int choose_victim(struct scene *s)
{
	int root = 0, any = (int)pick(s, (uint32_t)s->n);
	while (root < s->n - 1 && !runs(&s->sides[root]))
		root++;
	for (int i = 0; i < s->n && !runs(&s->sides[any]); i++)
		any = (any + 1) % s->n;
	return pick(s, 3) ? any : root;
}

static bool is_so(const struct scene *s, const struct side *side)
{
	const struct fy_agree *a = &side->p->agree;
	switch (s->when) {
	case IN_ROUND:
		return a->kind && a->n == s->agreement && a->round == s->round;
	case SOME_OVER:
		return a->finished >= s->agreement;
	case SOME_FROZEN:
		return a->kind == FY_AGREE_CLOSE && a->frozen;
	case SOME_BYES:
		return side->p->close.byes;
	case WHENS:
		break;
	}
	return false;
}

static int first_coordinator(const struct scene *s)
{
	for (int i = 0; i < s->n; i++) {
		enum fy_crew_phase phase = s->sides[i].p->lookout.crew.phase;
		if (runs(&s->sides[i]) && (phase == FY_CREW_ASKING || phase == FY_CREW_PROPOSING))
			return i;
	}
	return -1;
}

static void kill_second(struct scene *s)
{
	int who = -1;
	if (s->second == COORDINATOR)
		who = first_coordinator(s);
	if (s->second == LATER && fy_sim_now(s->sim) >= s->second_at)
		who = choose_victim(s);
	if (who >= 0 && (s->second != COORDINATOR || pick(s, 3) == 0))
		kill_one(s, who);
}

static void look_for_deaths(struct scene *s)
{
	bool now = false;
	for (int i = 0; i < s->n && !s->deaths; i++)
		now |= runs(&s->sides[i]) && is_so(s, &s->sides[i]);
	if (now && pick(s, 4) == 0) {
		kill_one(s, choose_victim(s));
		if (s->second == AT_ONCE)
			kill_one(s, choose_victim(s));
		s->second_at = s->died_at + (int64_t)pick(s, 3 * (uint32_t)TIMEOUT);
	} else if (s->deaths == 1) {
		kill_second(s);
	}
}

/* Who was stopped goes on once it was left out. */
static void wake(struct scene *s)
{
	for (int i = 0; i < s->n; i++)
		if (s->sides[i].stopped && fy_sim_now(s->sim) > s->died_at + 3 * TIMEOUT)
			s->sides[i].stopped = false;
}

/* ---- what each one does --------------------------------------------------------------------- */

static void join(struct side *side)
{
	side->fence = fy_future_create(side->engine, FY_FUTURE_NO_CANCEL);
	side->crew = side->p->lookout.crew.now.number;
	side->joined++;
	side->posted = 0;
	fy_agree_join(side->p, FY_AGREE_FENCE);
	side->p->agree.waiter = side->fence;
}

static void look_at_fence(struct scene *s, struct side *side)
{
	int status = side->fence ? ferry_future_poll(side->fence) : FERRY_PENDING;
	if (status == FERRY_PENDING)
		return;
	ferry_future_release(side->fence);
	side->fence = NULL;
	if (side->lost)
		return;
	bool lossy = side->p->lookout.crew.now.number != side->crew;
	if (status != (lossy ? FERRY_EPEER : FERRY_OK))
		wrong(s, "fence %u of rank %d ended with %s; crew %u at first, %u at last",
		      side->joined, side->engine->rank, ferry_strname(status), side->crew,
		      side->p->lookout.crew.now.number);
	side->clean = side->p->lookout.crew.now.number != 0;
	s->ok += status == FERRY_OK;
	s->lossy += status == FERRY_EPEER;
	check_handled(s, side, side->joined);
}

static void act(struct scene *s, struct side *side)
{
	const struct fy_agree *a = &side->p->agree;
	if (side->closing || side->p->lookout.crew.stop)
		return;
	if (side->posted < EACH && pick(s, 2)) {
		side->posted++;
		write_letter(side, side->lane, side->joined, 0);
	}
	if (a->kind || side->fence || pick(s, 20))
		return;
	if (side->joined < FENCES) {
		join(side);
		return;
	}
	side->closing = true;
	fy_store_release_32(&side->engine->phase, FY_CLOSING);
	fy_close_begin(side->p);
}

static void turn(struct scene *s)
{
	bool worked = false;
	for (int i = 0; i < s->n; i++) {
		struct side *side = &s->sides[i];
		uint32_t crew = side->p->lookout.crew.now.number;
		if (!runs(side))
			continue;
		worked |= fy_step_once(side->p, pick(s, 5) > 0);
		if (crew != side->p->lookout.crew.now.number)
			side->clean = false;
		look_at_fence(s, side);
		if (pick(s, 3) == 0)
			worked |= ferry_executor_run(side->queue, pick(s, 8), 0) > 0;
		act(s, side);
		look_for_deaths(s);
	}
	if (!fy_sim_advance(s->sim) && !worked)
		fy_sim_advance_to(s->sim, fy_sim_now(s->sim) + FERRY_MS(1));
	wake(s);
}

/* ---- the end -------------------------------------------------------------------------------- */

/* For whoever looks for the reason. */
static void say_all(const struct scene *s)
{
	for (int i = 0; i < s->n; i++) {
		const struct side *side = &s->sides[i];
		const struct fy_progress *p = side->p;
		printf("# rank %d: %s%s%s%s, crew %u phase %d, agreement %u kind %u round %u, %u "
		       "over, "
		       "joined %u%s%s%s, receives %u\n",
		       i, side->killed ? "killed" : "", side->stopped ? "stopped" : "",
		       p->close.stopped ? "ended" : "", side->lost ? " lost" : "",
		       p->lookout.crew.now.number, p->lookout.crew.phase, p->agree.n, p->agree.kind,
		       p->agree.round, p->agree.finished, side->joined,
		       side->closing ? ", closing" : "", p->close.byes ? ", byes" : "",
		       p->close.finished ? ", finished" : "", p->receives.n_posted);
	}
	fflush(stdout);
}

static bool is_over(const struct scene *s)
{
	for (int i = 0; i < s->n; i++)
		if (s->sides[i].stopped || runs(&s->sides[i]))
			return false;
	return true;
}

static void check_end(struct scene *s, const struct side *side)
{
	const struct fy_crew *crew = &side->p->lookout.crew;
	int status = side->engine->status;
	if (!side->p->close.stopped || side->p->close.gave_up_at || crew->stop)
		wrong(s, "rank %d: close %s, stop %d", side->engine->rank,
		      side->p->close.gave_up_at ? "gave up" : "does not end", crew->stop);
	else if (side->p->losses.since && status != FERRY_EPEER)
		wrong(s, "rank %d closed with %s", side->engine->rank, ferry_strname(status));
	for (int i = 0; i < s->n; i++)
		if (crew->now.number && !s->sides[i].lost && !is_member(side, i))
			wrong(s, "rank %d goes on without rank %d", side->engine->rank, i);
	check_handled(s, side, FENCES + 1);
}

static void begin(struct scene *s, uint64_t seed)
{
	struct fy_sim_options net = { .remote = seed & 8,
		                      .eager_max = seed & 16 ? SIZE_MAX : 8192 };
	memset(s, 0, sizeof *s);
	s->random = seed;
	s->n = 4 + (int)(seed % (RANKS_MAX - 3));
	s->sim = fy_sim_create(s->n, seed, &net);
	for (int i = 0; i < s->n; i++)
		open_side(s, i);
	s->when = (enum when)pick(s, WHENS + 3) % WHENS; /* in a round, mostly */
	s->second = (enum second)pick(s, SECONDS);
	s->agreement = 1 + pick(s, FENCES + 1);
	s->round = pick(s, 4);
	s->stop = pick(s, 4) == 0;
}

static void finish(struct scene *s)
{
	for (int i = 0; i < s->n; i++)
		fy_sim_kill(s->sim, i);
	for (int i = 0; i < s->n; i++)
		side_end(&s->sides[i]);
	fy_sim_destroy(s->sim);
}

static unsigned long handled, n_ok, n_lossy, n_deaths;

static void run(uint64_t seed)
{
	static struct scene s;
	begin(&s, seed);
	while (!is_over(&s) && !s.wrong[0]) {
		turn(&s);
		if (fy_sim_now(s.sim) > s.died_at + PATIENCE + (s.deaths ? 0 : FERRY_S(2)))
			break;
	}
	for (int i = 0; i < s.n && !s.wrong[0]; i++)
		if (!s.sides[i].lost)
			check_end(&s, &s.sides[i]);
	if (s.wrong[0])
		say_all(&s);
	if (s.wrong[0])
		fail_msg("seed %llu (%d ranks, %u died, when %d, agreement %u, round %u, second "
		         "%d): at %lld us: %s",
		         (unsigned long long)seed, s.n, s.deaths, s.when, s.agreement, s.round,
		         s.second, (long long)fy_sim_now(s.sim) / 1000, s.wrong);
	for (unsigned i = 0; i < s.n_letters; i++)
		handled += s.letters[i].handled;
	n_ok += s.ok;
	n_lossy += s.lossy;
	n_deaths += s.deaths;
	finish(&s);
}

static void fences_and_closes_go_on_without_the_dead(void **state)
{
	unsigned long only = t_env("FERRY_SEED", 0), seeds = only ? 1 : t_seeds(200),
		      first = only ? only : t_env("FERRY_FIRST_SEED", 1);
	(void)state;
	for (unsigned long i = 0; i < seeds; i++)
		run(first + i);
	printf("# %lu ranks died, %lu letters were handled, %lu fences ended well, %lu with a "
	       "loss\n",
	       n_deaths, handled, n_ok, n_lossy);
}

/* ---- the bound of a close ------------------------------------------------------------------- */

static void pass(struct scene *s, int64_t time)
{
	for (int64_t until = fy_sim_now(s->sim) + time; fy_sim_now(s->sim) < until;) {
		for (int i = 0; i < s->n; i++)
			if (runs(&s->sides[i]))
				fy_step_once(s->sides[i].p, true);
		fy_sim_advance_to(s->sim, fy_sim_now(s->sim) + FERRY_MS(1));
	}
}

/* Four ranks, of which rank 1 died; the others know. */
static void begin_without_rank_1(struct scene *s)
{
	begin(s, 4);
	assert_int_equal(s->n, 4);
	for (int i = 0; i < 4; i++)
		s->sides[i].engine->options.close_timeout = 3 * TIMEOUT;
	join(&s->sides[0]);
	join(&s->sides[2]);
	join(&s->sides[3]);
	kill_one(s, 1);
	s->sides[1].killed = true;
	pass(s, 3 * TIMEOUT);
	for (int i = 0; i < 4; i++)
		if (i != 1) {
			assert_int_equal(s->sides[i].p->lookout.crew.now.number, 1);
			assert_int_equal(ferry_future_poll(s->sides[i].fence), FERRY_EPEER);
		}
}

static void has_given_up(const struct side *side)
{
	assert_true(side->p->close.stopped && side->p->close.gave_up_at);
	assert_int_equal(side->engine->status, FERRY_EPEER);
}

/* Ranks 2 and 3 live and do not close. Rank 0 waits for them, and no longer than close_timeout. */
static void a_close_waits_no_longer_than_close_timeout(void **state)
{
	static struct scene s;
	(void)state;
	begin_without_rank_1(&s);
	fy_store_release_32(&s.sides[0].engine->phase, FY_CLOSING);
	fy_close_begin(s.sides[0].p);
	pass(&s, 3 * TIMEOUT - FERRY_MS(20));
	assert_int_equal(s.sides[0].p->close.gave_up_at, 0);
	pass(&s, FERRY_MS(400));
	has_given_up(&s.sides[0]);
	pass(&s, 2 * TIMEOUT); /* the others are told that it left, and go on */
	for (int i = 2; i < 4; i++) {
		assert_int_equal(ferry_peer_status(s.sides[i].engine, 0), FERRY_EPEER);
		assert_false(s.sides[i].p->close.stopped);
	}
	finish(&s);
}

/* A fence that others have not joined holds a close up no longer either. */
static void nor_does_a_fence_hold_it_up(void **state)
{
	static struct scene s;
	struct fy_command command = { .run = NULL };
	(void)state;
	begin_without_rank_1(&s);
	struct fy_progress *p = s.sides[0].p;
	fy_agree_join(p, FY_AGREE_FENCE);
	assert_false(fy_errands_begin_close(p, &command, NULL, NULL));
	pass(&s, 3 * TIMEOUT - FERRY_MS(20));
	assert_false(fy_errands_begin_close(p, &command, NULL, NULL));
	pass(&s, FERRY_MS(40));
	assert_true(fy_errands_begin_close(p, &command, NULL, NULL));
	pass(&s, FERRY_MS(400));
	has_given_up(&s.sides[0]);
	finish(&s);
}

/* With close_timeout none it waits on. */
static void none_is_for_ever(void **state)
{
	static struct scene s;
	(void)state;
	begin_without_rank_1(&s);
	s.sides[0].engine->options.close_timeout = FERRY_NONE;
	fy_store_release_32(&s.sides[0].engine->phase, FY_CLOSING);
	fy_close_begin(s.sides[0].p);
	pass(&s, 50 * TIMEOUT);
	assert_false(s.sides[0].p->close.stopped);
	assert_int_equal(s.sides[0].p->lookout.crew.now.number, 1);
	finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_close_waits_no_longer_than_close_timeout),
		cmocka_unit_test(nor_does_a_fence_hold_it_up),
		cmocka_unit_test(none_is_for_ever),
		cmocka_unit_test(fences_and_closes_go_on_without_the_dead),
	};
	fy_log_say_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
