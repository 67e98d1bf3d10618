/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verdicts on whole jobs: engines over the simulated network, with virtual threads that post, call,
 * fence, read and wait. While they run pictures are taken of all ranks, twice, at any moment, and
 * judged. A program that comes to its end is never said to be stuck. In others a hang is built in:
 * at last each thread waits for something that nobody does; that is always proved, and nothing
 * happens afterwards, however long.
 *
 * A virtual thread that waits is asleep until what it waits for is there. Then it runs, as the
 * system would say, though it goes on only some turns later.
 *
 * FERRY_SEEDS runs so many seeds (200), and a tenth of that of hangs; FERRY_SEED one of both.
 */
#include "support/life.h"
#include "sim/net/sim.h"

#include "app/own_lane.h"
#include "app/post.h"
#include "base/log.h"
#include "base/order.h"
#include "base/waiting.h"
#include "engine/life.h"
#include "future/executor.h"
#include "future/future.h"
#include "helm/agree.h"
#include "helm/close.h"
#include "helm/portray.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "helm/timer.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "shared/mailbox.h"
#include "shared/message.h"
#include "shared/thread.h"
#include "watch/picture.h"
#include "watch/story.h"
#include "watch/verdict.h"
#include "wire/record.h"

#include <fcntl.h>

enum { RANKS_MAX = 5, THREADS = 4, KEPT = 512, TURNS_MAX = 400000, APART = 40 };
enum { OP_ECHO = 7, OP_QUEUE, OP_HOLD, OP_NOBODY, OP_MAIL, OP_FLOOD, OP_NEVER };
enum { STOP = 8, BODY = 1000 }; /* bytes of bodies */
enum part { MAIN, WORKER, READER, RUNNER };

/* What a thread waits for. */
struct vwait {
	enum fy_waits kind;
	ferry_future *future;
	int peer;
	uint32_t op;
};

struct vthread {
	struct fy_lane *lane;
	struct vwait wait;
	uint64_t number; /* of its waits */
	unsigned left;   /* things to do */
	unsigned stops;  /* of others that were seen, by a reader or runner */
	unsigned told;   /* ranks that were told that this one has ended */
	unsigned flood;  /* posts that it still makes without a look */
	bool ended, hangs;
};

struct side {
	struct scene *scene;
	ferry *engine;
	struct fy_progress *p;
	ferry_executor *queue;
	struct vthread threads[THREADS];
	ferry_message *kept[KEPT];
	unsigned n_kept;
	unsigned fences; /* that it still joins */
};

struct scene {
	int n;
	bool hangs;
	uint64_t random;
	fy_sim *sim;
	struct side sides[RANKS_MAX];
	struct fy_picture pictures[2][RANKS_MAX];
	unsigned round, turn_of_round[2], next_rank;
	unsigned judged;
	unsigned proved, likely, no;
	int hang_fences; /* ranks that join no fence in the end */
};

static bool one_in(struct scene *s, unsigned n)
{
	return t_random(&s->random) % n == 0;
}

static unsigned below(struct scene *s, unsigned n)
{
	return (unsigned)(t_random(&s->random) % n);
}

/* ---- handlers ------------------------------------------------------------------------------ */

static size_t size_of(const ferry_message *m)
{
	size_t nbytes;
	ferry_message_body(m, &nbytes);
	return nbytes;
}

static void answer(ferry *engine, ferry_message *m, void *arg)
{
	(void)engine;
	(void)arg;
	ferry_reply(m, NULL, 0);
}

static void hold(ferry *engine, ferry_message *m, void *arg)
{
	struct side *side = arg;
	(void)engine;
	assert_true(side->n_kept < KEPT);
	ferry_message_retain(m);
	side->kept[side->n_kept++] = m;
}

static void run_queued(ferry *engine, ferry_message *m, void *arg)
{
	struct side *side = arg;
	(void)engine;
	side->threads[RUNNER].stops += size_of(m) == STOP;
	ferry_reply(m, NULL, 0);
}

static void handle(struct side *side, uint32_t op, ferry_executor *where, ferry_handler_fn *fn)
{
	ferry *before = fy_thread_begin(FY_INLINE, side->engine);
	assert_int_equal(ferry_handle(side->engine, op, where, fn, side), 0);
	fy_thread_end(FY_INLINE, before);
}

/* ---- waits --------------------------------------------------------------------------------- */

static void wait_for(struct vthread *t, enum fy_waits kind, ferry_future *future, int peer,
                     uint32_t op)
{
	t->wait = (struct vwait){ kind, future, peer, op };
	t->number++;
}

/* Has the mailbox what the reader wants? */
static bool has_mail(struct side *side, const struct vwait *w)
{
	struct fy_mailbox *box = &side->engine->mailbox;
	bool has = false;
	pthread_mutex_lock(&box->lock);
	fy_mailbox_sort(box);
	for (const ferry_message *m = box->all.first; m; m = m->next)
		has |= (w->op == FERRY_ANY_OP || m->op == w->op) &&
		       (w->peer < 0 || m->source == w->peer);
	pthread_mutex_unlock(&box->lock);
	return has;
}

/* Is the thread asleep, as the system would say? */
static bool sleeps(struct side *side, struct vthread *t)
{
	const struct vwait *w = &t->wait;
	switch (w->kind) {
	case FY_WAITS_NOT:
		return false;
	case FY_WAITS_RECV:
		return !has_mail(side, w);
	case FY_WAITS_TASK:
		return fy_backlog_count(&side->queue->backlog) == 0;
	case FY_WAITS_ROOM:
		return fy_load_acquire_8(&side->engine->full[w->peer]) == 1 ||
		       !fy_lane_reserve(t->lane, BODY + 64);
	default:
		return !fy_future_is_done(w->future);
	}
}

/* ---- what threads do ----------------------------------------------------------------------- */

static int post(struct side *side, struct vthread *t, int to, uint32_t kind, uint32_t op,
                size_t nbytes, ferry_future **future_p)
{
	static const char bytes[BODY];
	struct fy_post o = { .engine = side->engine,
		             .lane = t->lane,
		             .kind = kind,
		             .rank = to,
		             .op = op,
		             .body = bytes,
		             .nbytes = nbytes };
	return fy_post(&o, future_p);
}

/* False: it waits for room, and tries again later. */
static bool posted(struct side *side, struct vthread *t, int to, uint32_t op, size_t nbytes)
{
	if (post(side, t, to, FY_KIND_POST, op, nbytes, NULL) == 0)
		return true;
	wait_for(t, FY_WAITS_ROOM, NULL, to, op);
	return false;
}

static void call(struct side *side, struct vthread *t, int to, uint32_t op, int64_t deadline)
{
	ferry_future *f;
	if (post(side, t, to, FY_KIND_CALL, op, 16, &f) != 0) {
		wait_for(t, FY_WAITS_ROOM, NULL, to, op);
		return;
	}
	if (deadline) {
		ferry_future_retain(f);
		assert_int_equal(fy_timer_add(side->p, fy_sim_now(side->scene->sim) + deadline, f),
		                 0);
	}
	wait_for(t, FY_WAITS_CALL, f, FY_WAITS_NOBODY, FERRY_ANY_OP);
}

static void post_and_wait(struct side *side, struct vthread *t, int to)
{
	ferry_future *f;
	if (post(side, t, to, FY_KIND_POST, OP_MAIL, 16, &f) == 0)
		wait_for(t, FY_WAITS_POST, f, FY_WAITS_NOBODY, FERRY_ANY_OP);
	else
		wait_for(t, FY_WAITS_ROOM, NULL, to, OP_MAIL);
}

static void join_fence(struct side *side, struct vthread *t)
{
	ferry_future *f = fy_future_create(side->engine, FY_FUTURE_NO_CANCEL);
	side->fences--;
	fy_agree_join(side->p, FY_AGREE_FENCE);
	side->p->agree.waiter = f;
	wait_for(t, FY_WAITS_FENCE, f, FERRY_ALL, FERRY_ANY_OP);
}

/* One thing of a program that comes to its end. */
static void act(struct side *side, struct vthread *t)
{
	struct scene *s = side->scene;
	int to = (int)below(s, (unsigned)s->n);
	t->left--;
	switch (below(s, 8)) {
	case 0:
		t->flood = 1 + below(s, 40);
		break;
	case 1:
		post_and_wait(side, t, to);
		break;
	case 2:
		call(side, t, to, OP_QUEUE, 0);
		break;
	case 3:
		call(side, t, to, OP_HOLD, FERRY_US(50) + (int64_t)below(s, 3000000));
		break;
	case 4:
		if (one_in(s, 4) && !s->hangs)
			call(side, t, to, OP_NOBODY, 0);
		break;
	case 5:
		posted(side, t, to, OP_QUEUE, 16);
		break;
	default:
		call(side, t, to, OP_ECHO, 0);
	}
}

/* At its end a thread tells all readers and runners. */
static void tell_end(struct side *side, struct vthread *t)
{
	struct scene *s = side->scene;
	if (t->told == 2 * (unsigned)s->n)
		t->ended = true;
	else if (posted(side, t, (int)t->told / 2, t->told % 2 ? OP_QUEUE : OP_MAIL, STOP))
		t->told++;
}

static void read_mail(struct side *side, struct vthread *t)
{
	ferry_message *m;
	if (ferry_recv(side->engine, FERRY_ANY, OP_MAIL, 0, &m) != FERRY_OK) {
		if (t->stops == 2 * (unsigned)side->scene->n)
			t->ended = true;
		else
			wait_for(t, FY_WAITS_RECV, NULL, FERRY_ANY, OP_MAIL);
		return;
	}
	t->stops += size_of(m) == STOP;
	ferry_message_release(m);
}

static void run_tasks(struct side *side, struct vthread *t)
{
	if (ferry_executor_run(side->queue, 1, 0) > 0)
		return;
	if (t->stops == 2 * (unsigned)side->scene->n)
		t->ended = true;
	else
		wait_for(t, FY_WAITS_TASK, NULL, FY_WAITS_NOBODY, FERRY_ANY_OP);
}

/* ---- the hang that is built in -------------------------------------------------------------- */

static void hang(struct side *side, struct vthread *t, bool is_main)
{
	struct scene *s = side->scene;
	int to = (int)below(s, (unsigned)s->n);
	ferry_future *f;
	t->hangs = true;
	if (is_main && side->engine->rank >= s->hang_fences && !side->p->agree.kind) {
		side->fences = 1;
		join_fence(side, t);
		return;
	}
	switch (below(s, 4)) {
	case 0:
		assert_int_equal(ferry_promise_create(side->engine, &f), 0);
		wait_for(t, FY_WAITS_PROMISE, f, FY_WAITS_NOBODY, FERRY_ANY_OP);
		break;
	case 1:
		call(side, t, to, OP_HOLD, 0);
		break;
	case 2:
		t->flood = UINT32_MAX;
		break;
	default:
		wait_for(t, FY_WAITS_RECV, NULL, to, OP_NEVER);
	}
}

/* ---- turns --------------------------------------------------------------------------------- */

static void flood(struct side *side, struct vthread *t)
{
	int to = (int)(t->number % (unsigned)side->scene->n);
	if (t->hangs ? posted(side, t, to, OP_FLOOD, BODY) : posted(side, t, to, OP_MAIL, BODY))
		t->flood--;
}

static void go_on(struct side *side, enum part part)
{
	struct vthread *t = &side->threads[part];
	if (t->wait.kind != FY_WAITS_NOT) {
		ferry_future_release(t->wait.future);
		t->wait = (struct vwait){ .kind = FY_WAITS_NOT };
		t->number++;
	}
	if (part == READER)
		read_mail(side, t);
	else if (part == RUNNER)
		run_tasks(side, t);
	else if (t->flood)
		flood(side, t);
	else if (t->left)
		act(side, t);
	else if (part == MAIN && side->fences && !side->p->agree.kind)
		join_fence(side, t);
	else if (t->told < 2 * (unsigned)side->scene->n || !side->scene->hangs)
		tell_end(side, t);
	else if (!t->hangs)
		hang(side, t, part == MAIN);
}

static bool run_threads(struct scene *s)
{
	bool any = false;
	for (int i = 0; i < s->n; i++)
		for (enum part part = MAIN; part <= RUNNER; part++) {
			struct vthread *t = &s->sides[i].threads[part];
			if (t->ended || sleeps(&s->sides[i], t))
				continue;
			any = true;
			if (one_in(s, 2))
				go_on(&s->sides[i], part);
		}
	return any;
}

static bool step_engines(struct scene *s)
{
	bool worked = false;
	for (int i = 0; i < s->n; i++)
		if (one_in(s, 2))
			worked |= fy_step_once(s->sides[i].p, true);
		else
			worked = true;
	return worked;
}

/* False: nothing but time can do anything. */
static bool turn(struct scene *s)
{
	bool ran = run_threads(s), worked = step_engines(s);
	return worked || ran || fy_sim_advance(s->sim);
}

static bool all_ended(const struct scene *s)
{
	for (int i = 0; i < s->n; i++)
		for (int t = 0; t < THREADS; t++)
			if (!s->sides[i].threads[t].ended)
				return false;
	return true;
}

/* ---- pictures ------------------------------------------------------------------------------ */

static void add_thread(struct side *side, struct fy_picture *p, enum part part)
{
	struct vthread *t = &side->threads[part];
	struct fy_picture_thread *to = &p->threads[p->n_threads];
	if (t->ended)
		return;
	p->n_threads++;
	*to = (struct fy_picture_thread){ .tid = (int32_t)part + 1,
		                          .kind = sleeps(side, t) ? FY_THREAD_WAITS
		                                                  : FY_THREAD_PROGRAM,
		                          .state = 'S',
		                          .of_engine = 1,
		                          .wait = t->wait.kind,
		                          .op = t->wait.op,
		                          .peer = t->wait.peer,
		                          .number = t->number,
		                          .object = (uintptr_t)t->wait.future };
	snprintf(to->name, sizeof to->name, "thread-%d", (int)part);
	p->by_kind[to->kind]++;
	p->counts.waits += t->number;
	p->counts.threads += part + 1;
}

static void take_picture(struct scene *s, unsigned round, unsigned rank)
{
	struct side *side = &s->sides[rank];
	struct fy_picture *p = &s->pictures[round][rank];
	*p = (struct fy_picture){ .version = FY_PICTURE_VERSION,
		                  .nbytes = sizeof *p,
		                  .rank = (int32_t)rank,
		                  .size = s->n,
		                  .inside = UINT32_MAX };
	for (enum part part = MAIN; part <= RUNNER; part++)
		add_thread(side, p, part);
	fy_portray_engine(side->p, p);
	assert_true(fy_picture_check(p, sizeof *p));
}

static enum fy_verdict judge(struct scene *s, char *text, size_t room)
{
	const struct fy_picture *of[2][RANKS_MAX];
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < s->n; i++)
			of[round][i] = &s->pictures[round][i];
	struct fy_verdict_of job = { of[0], of[1], s->n };
	assert_true(fy_story_tell(&job, text, room) < room);
	assert_true(fy_story_draw(&job, text, room) < room);
	fy_story_tell(&job, text, room);
	return fy_verdict(&job);
}

/* Two rounds at any moments, each rank at its own, and the verdict. */
static bool look(struct scene *s, enum fy_verdict *verdict_p, char *text, size_t room)
{
	if (s->next_rank == 0 && !one_in(s, APART))
		return false;
	if (!one_in(s, 3))
		return false;
	take_picture(s, s->round, s->next_rank);
	if (++s->next_rank < (unsigned)s->n)
		return false;
	s->next_rank = 0;
	s->round ^= 1;
	if (s->round)
		return false;
	*verdict_p = judge(s, text, room);
	s->judged++;
	return true;
}

/* ---- a run --------------------------------------------------------------------------------- */

static void begin(struct scene *s, uint64_t seed, bool hangs)
{
	struct fy_sim_options net = { 0 };
	*s = (struct scene){ .hangs = hangs, .random = seed * 2 + hangs };
	s->n = 2 + (int)below(s, RANKS_MAX - 1);
	s->hang_fences = 1 + (int)below(s, (unsigned)s->n);
	unsigned fences = below(s, 3);
	s->sim = fy_sim_create(s->n, seed, &net);
	for (int i = 0; i < s->n; i++) {
		struct side *side = &s->sides[i];
		ferry_options given = FERRY_OPTIONS_INIT;
		given.flags = FERRY_NONBLOCK;
		given.receive_memory = given.send_memory = 1 << 20;
		given.handler_grace = hangs ? FERRY_NONE : FERRY_MS(1);
		given.peer_timeout = FERRY_NONE;
		side->scene = s;
		side->fences = fences;
		side->engine = t_open(fy_sim_port(s->sim, i), &given);
		side->p = side->engine->progress;
		assert_int_equal(ferry_queue_create(side->engine, &side->queue), 0);
		for (int t = 0; t < THREADS; t++) {
			side->threads[t].lane = fy_own_lane_create(side->engine);
			side->threads[t].left = below(s, hangs ? 8 : 25);
		}
		handle(side, OP_ECHO, FERRY_INLINE, answer);
		handle(side, OP_HOLD, FERRY_INLINE, hold);
		handle(side, OP_QUEUE, side->queue, run_queued);
	}
}

static void end(struct scene *s)
{
	for (int i = 0; i < s->n; i++) {
		struct side *side = &s->sides[i];
		t_break_off(s->sim, side->engine);
		while (side->n_kept)
			ferry_message_release(side->kept[--side->n_kept]);
		ferry_executor_destroy(side->queue);
		for (int t = 0; t < THREADS; t++) {
			ferry_future_release(side->threads[t].wait.future);
			t_leave(side->engine, side->threads[t].lane);
		}
		assert_int_equal(side->engine->refs, 1);
		fy_engine_release(side->engine);
	}
	fy_sim_destroy(s->sim);
}

static void fail_seed(uint64_t seed, const char *what, const char *text)
{
	fail_msg("FERRY_SEED=%llu: %s\n%s", (unsigned long long)seed, what, text);
}

static void pass_time(struct scene *s)
{
	fy_sim_advance_to(s->sim, fy_sim_now(s->sim) + FERRY_US(100));
}

/* A program that comes to its end is never said to be stuck. */
static void run_well(uint64_t seed, unsigned *judged, unsigned *likely)
{
	static struct scene s;
	static char text[1 << 16];
	enum fy_verdict verdict;
	begin(&s, seed, false);
	for (unsigned turns = 0; !all_ended(&s); turns++) {
		if (turns == TURNS_MAX)
			fail_seed(seed, "it does not come to its end", "");
		if (!turn(&s))
			pass_time(&s);
		if (!look(&s, &verdict, text, sizeof text))
			continue;
		if (verdict == FY_VERDICT_PROVED)
			fail_seed(seed, "it is accused", text);
		*likely += verdict == FY_VERDICT_LIKELY;
	}
	*judged += s.judged;
	end(&s);
}

static uint64_t count_waits(const struct scene *s)
{
	uint64_t sum = 0;
	for (int i = 0; i < s->n; i++)
		for (int t = 0; t < THREADS; t++)
			sum += s->sides[i].threads[t].number;
	return sum;
}

/* A hang is proved once nothing happens any more, and what is proved is true. */
static void run_to_hang(uint64_t seed)
{
	static struct scene s;
	static char text[1 << 16];
	enum fy_verdict verdict = FY_VERDICT_NO;
	unsigned still = 0;
	begin(&s, seed, true);
	for (unsigned turns = 0; verdict != FY_VERDICT_PROVED; turns++) {
		bool moved = turn(&s);
		still = moved ? 0 : still + 1;
		if (!moved)
			pass_time(&s);
		if (turns == TURNS_MAX || still > 20000)
			fail_seed(seed, "its hang is not proved", text);
		look(&s, &verdict, text, sizeof text);
	}
	uint64_t waits = count_waits(&s);
	for (unsigned i = 0; i < 3000; i++)
		if (!turn(&s))
			pass_time(&s);
	if (waits != count_waits(&s))
		fail_seed(seed, "it was proved to be stuck, and went on", text);
	end(&s);
}

static void who_comes_to_an_end_is_not_accused(void **state)
{
	unsigned long only = t_env("FERRY_SEED", 0), seeds = only ? 1 : t_seeds(200);
	unsigned judged = 0, likely = 0;
	(void)state;
	for (unsigned long i = 0; i < seeds; i++)
		run_well(only ? only : i + 1, &judged, &likely);
	print_message("%lu runs, %u verdicts, of which %u are likely\n", seeds, judged, likely);
	assert_true(judged >= seeds);
}

static void who_hangs_is_found(void **state)
{
	unsigned long only = t_env("FERRY_SEED", 0), seeds = only ? 1 : t_seeds(200) / 10 + 1;
	(void)state;
	for (unsigned long i = 0; i < seeds; i++)
		run_to_hang(only ? only : i + 1);
}

int main(void)
{
	fy_log_say_fd = open("/dev/null", O_WRONLY); /* what nobody takes */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_comes_to_an_end_is_not_accused),
		cmocka_unit_test(who_hangs_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
