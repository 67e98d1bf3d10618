/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agreements alone. The engines here are never stepped: the test carries the words of agree.c
 * between them itself, when it likes, and says what each rank has sent and finished. So what takes
 * luck with whole engines is played out on purpose: a record that crosses between two counts, one
 * that is on its way for many rounds, a callback that posts after its rank was counted.
 *
 * The random part is the same with chance deciding, against a model that knows every record.
 */
#include "support/life.h"
#include "sim/net/sim.h"

#include "app/own_lane.h"
#include "base/bits.h"
#include "base/order.h"
#include "future/future.h"
#include "helm/agree.h"
#include "helm/news.h"
#include "helm/peer.h"
#include "helm/progress.h"
#include "link/channel.h"
#include "shared/account.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "shared/message.h"
#include "wire/bodies.h"
#include "wire/record.h"

enum { RANKS_MAX = 7, RECORDS_MAX = 40 };

/* ---- ranks, and words between them ------------------------------------------------------ */

enum what { UP, DOWN, NEWS };

struct word {
	int from, to;
	enum what what;
	struct fy_agree_word word;
	struct fy_agree_news news;
};

struct ranks {
	int n;
	fy_sim *sim;
	ferry *engines[RANKS_MAX];
	struct fy_progress *p[RANKS_MAX];
	struct word words[8 * RANKS_MAX]; /* under way, oldest first */
	int n_words;
};

static ferry *create_engine(fy_sim *sim, int rank)
{
	ferry_options given = FERRY_OPTIONS_INIT;
	given.flags = FERRY_NONBLOCK;
	return t_open(fy_sim_port(sim, rank), &given);
}

static void begin(struct ranks *r, int n)
{
	*r = (struct ranks){ .n = n, .sim = fy_sim_create(n, 1, NULL) };
	assert_non_null(r->sim);
	for (int i = 0; i < n; i++) {
		r->engines[i] = create_engine(r->sim, i);
		r->p[i] = r->engines[i]->progress;
	}
}

static void end(struct ranks *r)
{
	for (int i = 0; i < r->n; i++) {
		t_abandon(r->sim, r->engines[i]);
		fy_engine_release(r->engines[i]);
	}
	fy_sim_destroy(r->sim);
}

static void collect(struct ranks *r, int from)
{
	for (struct fy_channel *ch = r->p[from]->link.all; ch; ch = ch->all_next) {
		if (fy_peer_of(ch)->owed.news_owed)
			r->words[r->n_words++] = (struct word){
				from, ch->rank, NEWS, { 0 }, fy_peer_of(ch)->owed.news
			};
		if (fy_peer_of(ch)->owed.up_owed)
			r->words[r->n_words++] =
				(struct word){ from, ch->rank, UP, fy_peer_of(ch)->owed.up, { 0 } };
		if (fy_peer_of(ch)->owed.down_owed)
			r->words[r->n_words++] = (struct word){
				from, ch->rank, DOWN, fy_peer_of(ch)->owed.down, { 0 }
			};
		fy_peer_of(ch)->owed.news_owed = fy_peer_of(ch)->owed.up_owed =
			fy_peer_of(ch)->owed.down_owed = false;
	}
}

/* One look at the agreement, any pause being over. */
static void step(struct ranks *r, int rank)
{
	r->p[rank]->link.now += FERRY_MS(2);
	fy_agree_step(r->p[rank]);
	collect(r, rank);
}

static void deliver(struct ranks *r, int index)
{
	struct word w = r->words[index];
	struct fy_progress *p = r->p[w.to];
	memmove(&r->words[index], &r->words[index + 1], (size_t)(--r->n_words - index) * sizeof w);
	if (w.what == NEWS)
		fy_news_hear(p, fy_peer_get(p, w.from), &w.news);
	else if (w.what == UP)
		fy_agree_up(p, fy_peer_get(p, w.from), &w.word);
	else
		fy_agree_down(p, fy_peer_get(p, w.from), &w.word);
	collect(r, w.to);
	assert_int_equal(p->link.stats.malformed, 0);
}

static void join_all(struct ranks *r, uint32_t kind)
{
	for (int i = 0; i < r->n; i++)
		fy_agree_join(r->p[i], kind);
}

/* All words that are due arrive, and everybody looks once. */
static void turn(struct ranks *r)
{
	while (r->n_words)
		deliver(r, 0);
	for (int i = r->n - 1; i >= 0; i--) {
		step(r, i);
		while (r->n_words)
			deliver(r, 0);
	}
}

static void turns(struct ranks *r, unsigned n)
{
	while (n--)
		turn(r);
}

static int over_for(const struct ranks *r)
{
	int count = 0;
	for (int i = 0; i < r->n; i++)
		count += r->p[i]->agree.n > 0 && r->p[i]->agree.finished == r->p[i]->agree.n;
	return count;
}

static bool over_for_anybody(const struct ranks *r)
{
	return over_for(r) > 0;
}

static bool over(const struct ranks *r)
{
	return over_for(r) == r->n;
}

static bool stopped(const struct ranks *r, int rank)
{
	return fy_load_acquire_32(&r->engines[rank]->phase) == FY_STOPPED;
}

/* ---- played out -------------------------------------------------------------------------- */

static void quiet_ranks_agree(void **state)
{
	(void)state;
	for (int n = 1; n <= RANKS_MAX; n++) {
		struct ranks r;
		begin(&r, n);
		for (int again = 0; again < 3; again++) {
			join_all(&r, FY_AGREE_FENCE);
			assert_false(over_for_anybody(&r));
			turns(&r, 6);
			assert_true(over(&r));
		}
		assert_false(stopped(&r, 0));
		join_all(&r, FY_AGREE_CLOSE);
		turns(&r, 12);
		assert_true(over(&r));
		for (int i = 0; i < n; i++)
			assert_true(stopped(&r, i) && r.p[i]->close.drained);
		end(&r);
	}
}

static void nobody_is_done_before_all_have_joined(void **state)
{
	(void)state;
	struct ranks r;
	begin(&r, 4);
	for (int i = 0; i < 4; i++) {
		turns(&r, 6);
		assert_false(over_for_anybody(&r));
		fy_agree_join(r.p[i], FY_AGREE_FENCE);
	}
	turns(&r, 6);
	assert_true(over(&r));
	end(&r);
}

/* Rank 1 is counted, then posts to rank 2, which had posted to rank 1 before it joined. The sums of
 * this round agree: what rank 2 sent has its match in what it finished. And what it sent is still
 * on its way. */
static void one_round_is_not_enough(void **state)
{
	(void)state;
	struct ranks r;
	begin(&r, 3);
	r.p[2]->link.counts.issued[0]++; /* to rank 1, slow */
	join_all(&r, FY_AGREE_FENCE);
	step(&r, 1);                     /* rank 1 is counted: 0, 0 */
	r.p[1]->link.counts.issued[0]++; /* to rank 2, fast */
	r.p[2]->link.counts.done[0]++;
	step(&r, 2); /* rank 2 is counted: 1, 1 */
	turn(&r);
	assert_false(over_for_anybody(&r));
	turns(&r, 20);
	assert_false(over_for_anybody(&r));
	r.p[1]->link.counts.done[0]++; /* the slow one came */
	turns(&r, 6);
	assert_true(over(&r));
	end(&r);
}

/* Nobody has anything to do, for however long: the network has it. */
static void what_is_on_its_way_is_waited_for(void **state)
{
	(void)state;
	for (uint32_t kind = FY_AGREE_FENCE; kind <= FY_AGREE_CLOSE; kind++) {
		struct ranks r;
		begin(&r, 3);
		r.p[1]->link.counts.issued[0]++;
		join_all(&r, kind);
		turns(&r, 200);
		assert_false(over_for_anybody(&r));
		assert_false(stopped(&r, 0));
		r.p[2]->handlers.given++;
		/* an executor's handler has returned */
		fy_add_64(&r.engines[2]->told.handled_elsewhere[0], 1);
		turns(&r, 12);
		assert_true(over(&r));
		end(&r);
	}
}

static void who_is_busy_is_waited_for(void **state)
{
	(void)state;
	for (int busy = 0; busy < 5; busy++) {
		struct ranks r;
		begin(&r, 5);
		r.p[busy]->queues.of[0] = 1; /* a record waits for its peer, and is in no count */
		join_all(&r, FY_AGREE_FENCE);
		turns(&r, 50);
		assert_false(over_for_anybody(&r));
		r.p[busy]->queues.of[0] = 0;
		turns(&r, 6);
		assert_true(over(&r));
		end(&r);
	}
}

/* A record that waits in its lane is in no count: what was posted before the fence, and what a
 * handler posted. */
static void what_waits_in_a_lane_is_waited_for(void **state)
{
	(void)state;
	for (int by_handler = 0; by_handler < 2; by_handler++) {
		struct ranks r;
		begin(&r, 3);
		struct fy_lane *lane = fy_own_lane_create(r.engines[1]);
		lane->tail = 80;
		r.p[1]->lanes.active = lane;
		if (by_handler) /* it ends after its rank has joined */
			lane->tail = 0;
		join_all(&r, FY_AGREE_FENCE);
		if (by_handler) {
			assert_int_equal(fy_lane_tag_posts(lane, fy_record_tag(0)), 0);
			lane->tail = 80;
			fy_lane_tag_posts(lane, 0);
		}
		turns(&r, 50);
		assert_false(over_for_anybody(&r));
		lane->head = 72;
		turns(&r, 50);
		assert_false(over_for_anybody(&r));
		lane->head = 80;
		turns(&r, 6);
		assert_true(over(&r));
		r.p[1]->lanes.active = NULL;
		fy_lane_release(lane);
		fy_lane_release(lane);
		end(&r);
	}
}

/* The counts of a close agree twice, and a callback of a rank posts before it hears of that. */
static void a_close_freezes_before_it_ends(void **state)
{
	(void)state;
	struct ranks r;
	begin(&r, 3);
	join_all(&r, FY_AGREE_CLOSE);
	for (unsigned tries = 0; !stopped(&r, 0); tries++) {
		assert_true(tries < 10);
		while (r.n_words)
			deliver(&r, 0);
		for (int i = 2; i >= 0 && !stopped(&r, 0); i--) {
			step(&r, i);
			while (i > 0 && r.n_words)
				deliver(&r, 0);
		}
	}
	assert_false(stopped(&r, 1)); /* the word is on its way to it */
	assert_false(r.p[0]->close.drained);
	r.p[1]->link.counts.issued[0]++;
	turns(&r, 50);
	for (int i = 0; i < 3; i++)
		assert_true(stopped(&r, i) && !r.p[i]->close.drained);
	r.p[2]->link.counts.done[0]++;
	turns(&r, 6);
	assert_true(over(&r));
	end(&r);
}

/* A fence freezes nobody. */
static void a_fence_lets_everybody_go_on(void **state)
{
	(void)state;
	struct ranks r;
	begin(&r, 3);
	join_all(&r, FY_AGREE_FENCE);
	turns(&r, 6);
	assert_true(over(&r));
	for (int i = 0; i < 3; i++)
		assert_false(stopped(&r, i) || r.p[i]->close.drained);
	end(&r);
}

/* Nor does a parent that says so in a fence, or says what is no verdict. */
static void what_is_no_verdict_is_not_believed(void **state)
{
	(void)state;
	struct ranks r;
	begin(&r, 2);
	join_all(&r, FY_AGREE_FENCE);
	step(&r, 1);
	for (uint32_t verdict = 2; verdict < 4; verdict++) {
		struct fy_agree_word down = {
			.n = 1, .round = 0, .kind = FY_AGREE_FENCE, .verdict = verdict
		};
		fy_agree_down(r.p[1], fy_peer_get(r.p[1], 0), &down);
		assert_int_equal(r.p[1]->link.stats.malformed, verdict - 1);
	}
	assert_false(stopped(&r, 1));
	r.p[1]->link.stats.malformed = 0;
	turns(&r, 6);
	assert_true(over(&r));
	end(&r);
}

/* Records of a malformed batch never come to their end. Standing still for long has to do. */
static void counts_that_cannot_match_end_it_late(void **state)
{
	(void)state;
	struct ranks r;
	begin(&r, 3);
	r.p[1]->link.counts.issued[0]++;
	r.p[2]->agree.tainted = true;
	join_all(&r, FY_AGREE_FENCE);
	turns(&r, 20);
	assert_false(over_for_anybody(&r));
	turns(&r, 200);
	assert_true(over(&r));
	end(&r);
}

/* What is posted after the fence was joined is of the other colour, and nobody waits for it,
 * however much it is. */
static void a_fence_ends_beside_floods(void **state)
{
	(void)state;
	struct ranks r;
	begin(&r, 5);
	for (unsigned n = 0; n < 4; n++) {
		unsigned old = n % 2;
		r.p[3]->link.counts.issued[old] += 2;
		join_all(&r, FY_AGREE_FENCE);
		for (unsigned i = 0; i < 50; i++) {
			for (int rank = 0; rank < 5; rank++)
				r.p[rank]->link.counts.issued[!old]++;
			turn(&r);
			r.p[i % 5]->link.counts.done[!old]++;
		}
		assert_false(over_for_anybody(&r));
		r.p[0]->link.counts.done[old]++;
		turns(&r, 20);
		assert_false(over_for_anybody(&r));
		r.p[4]->link.counts.done[old]++;
		for (unsigned i = 0; i < 12; i++) {
			r.p[i % 5]->link.counts.issued[!old]++;
			turn(&r);
		}
		assert_true(over(&r));
		/* what is left comes before the next fence */
		for (int rank = 0; rank < 5; rank++) {
			r.p[rank]->link.counts.done[!old] = 0;
			r.p[rank]->link.counts.issued[!old] = 0;
		}
	}
	end(&r);
}

/* ---- by chance, against a model -------------------------------------------------------------- */

struct record {
	int from, to;
	unsigned colour;
	/* its poster had not joined yet; or it was posted by a handler of such a record */
	bool before;
};

struct model {
	struct ranks ranks;
	uint32_t kind;
	uint64_t random;
	bool joined[RANKS_MAX];
	struct record records[RECORDS_MAX]; /* under way */
	int n_records, n_posted;
	char wrong[120];
};

static unsigned pick(struct model *m, int n)
{
	return (unsigned)(t_random(&m->random) >> 33) % (unsigned)n;
}

/* Of a callback, another thread, or a handler of `cause`: whatever may post may do it until the
 * engine has stopped. */
static void post(struct model *m, int from, const struct record *cause)
{
	if (m->n_posted >= RECORDS_MAX || stopped(&m->ranks, from))
		return;
	struct record r = { from, (int)pick(m, m->ranks.n), m->ranks.p[from]->link.counts.colour,
		            !m->joined[from] };
	if (cause) {
		r.colour = cause->colour;
		r.before = cause->before;
	}
	m->n_posted++;
	m->records[m->n_records++] = r;
	m->ranks.p[from]->link.counts.issued[r.colour]++;
	if (m->kind == FY_AGREE_CLOSE && over_for_anybody(&m->ranks))
		snprintf(m->wrong, sizeof m->wrong, "rank %d posts after the close is over", from);
}

/* In any order; its handler may post another one. */
static void arrive(struct model *m)
{
	if (!m->n_records)
		return;
	struct record *at = &m->records[pick(m, m->n_records)], record = *at;
	*at = m->records[--m->n_records];
	if (pick(m, 2))
		post(m, record.to, &record);
	m->ranks.p[record.to]->link.counts.done[record.colour]++;
}

/* The oldest word of some pair of ranks: MPI keeps their order. */
static void some_word(struct model *m)
{
	struct ranks *r = &m->ranks;
	if (!r->n_words)
		return;
	int index = (int)pick(m, r->n_words);
	for (int i = 0; i < index; i++)
		if (r->words[i].from == r->words[index].from &&
		    r->words[i].to == r->words[index].to)
			index = i;
	deliver(r, index);
}

static void join_one(struct model *m)
{
	int rank = (int)pick(m, m->ranks.n);
	if (m->joined[rank])
		return;
	m->joined[rank] = true;
	fy_agree_join(m->ranks.p[rank], m->kind);
}

/* As soon as it is over for one of them. */
static void check(struct model *m)
{
	if (!over_for_anybody(&m->ranks) || m->wrong[0])
		return;
	for (int i = 0; i < m->n_records; i++)
		if (m->kind == FY_AGREE_CLOSE || m->records[i].before)
			snprintf(m->wrong, sizeof m->wrong,
			         "over, with a record from rank %d to rank %d under way",
			         m->records[i].from, m->records[i].to);
}

static bool all_joined(const struct model *m)
{
	for (int i = 0; i < m->ranks.n; i++)
		if (!m->joined[i])
			return false;
	return true;
}

static void play(struct model *m, uint64_t seed)
{
	*m = (struct model){ .random = seed };
	begin(&m->ranks, 2 + (int)pick(m, RANKS_MAX - 1));
	m->kind = pick(m, 2) ? FY_AGREE_CLOSE : FY_AGREE_FENCE;
	unsigned eager = 1 + pick(m, 12), slow = 1 + pick(m, 12);
	for (unsigned turn_nr = 0; !m->wrong[0]; turn_nr++) {
		unsigned what = pick(m, (int)(24 + eager));
		int rank = (int)pick(m, m->ranks.n);
		if (all_joined(m) && over(&m->ranks))
			break;
		if (what < slow)
			arrive(m);
		else if (what < 14)
			some_word(m);
		else if (what < 24)
			step(&m->ranks, rank);
		else if (what % 2)
			post(m, rank, NULL);
		else
			join_one(m);
		if (all_joined(m))
			check(m);
		if (turn_nr > 1000000)
			snprintf(m->wrong, sizeof m->wrong, "it does not end");
	}
	end(&m->ranks);
}

static void nothing_is_under_way_when_it_is_over(void **state)
{
	(void)state;
	unsigned long seeds = t_seeds(5000), first = t_env("FERRY_FIRST_SEED", 1),
		      only = t_env("FERRY_SEED", 0);
	for (unsigned long i = 0; i < (only ? 1 : seeds); i++) {
		struct model m;
		play(&m, only ? only : first + i);
		if (m.wrong[0])
			fail_msg("seed %lu: %s (%d ranks, %s)", only ? only : first + i, m.wrong,
			         m.ranks.n, m.kind == FY_AGREE_CLOSE ? "close" : "fence");
	}
}

/* ---- fences here and a close there ------------------------------------- */

/* Each rank fences so many times, then closes; after a fence that failed it closes at once. */
struct program {
	unsigned fences, done;
	bool closing, failed;
	ferry_future *fence;
};

struct programs {
	struct model model; /* its chance, its words, and what is wrong */
	struct program of[RANKS_MAX];
	unsigned common; /* fences that all ranks have */
};

static void is_wrong(struct programs *m, int rank, const char *what)
{
	if (!m->model.wrong[0])
		snprintf(m->model.wrong, sizeof m->model.wrong,
		         "rank %d: %s, %u of %u fences done, %u are common", rank, what,
		         m->of[rank].done, m->of[rank].fences, m->common);
}

static void see_fence(struct programs *m, int rank)
{
	struct program *of = &m->of[rank];
	const char *detail = ferry_future_detail(of->fence);
	int status = ferry_future_poll(of->fence), closer = -1;
	if (status == FERRY_PENDING)
		return;
	if (status == FERRY_OK && of->done++ >= m->common)
		is_wrong(m, rank, "a fence succeeded that not all ranks have");
	if (status != FERRY_OK) {
		of->failed = true;
		if (status != FERRY_EINVAL || of->done != m->common)
			is_wrong(m, rank, "a fence failed that all ranks have");
		else if (sscanf(detail, "rank %d is in ferry_close", &closer) != 1 || closer < 0 ||
		         closer >= m->model.ranks.n || !m->of[closer].closing ||
		         m->of[closer].done != of->done)
			is_wrong(m, rank, "its fence names a rank that does not close");
	}
	ferry_future_release(of->fence);
	of->fence = NULL;
}

/* What its program does next. */
static void go_on(struct programs *m, int rank)
{
	struct program *of = &m->of[rank];
	struct fy_progress *p = m->model.ranks.p[rank];
	if (of->fence)
		see_fence(m, rank);
	if (of->fence || of->closing)
		return;
	if (of->failed || of->done == of->fences) {
		of->closing = true;
		fy_agree_join(p, FY_AGREE_CLOSE);
	} else if (fy_news_refuse_fence(p)) {
		of->failed = true;
		if (of->done != m->common || !strstr(ferry_last_error(), "is in ferry_close"))
			is_wrong(m, rank, "a fence was refused that all ranks have");
	} else {
		of->fence = fy_future_create(m->model.ranks.engines[rank], FY_FUTURE_NO_CANCEL);
		fy_agree_join(p, FY_AGREE_FENCE);
		p->agree.waiter = of->fence;
	}
}

static bool all_closed(const struct programs *m)
{
	for (int i = 0; i < m->model.ranks.n; i++)
		if (!m->of[i].closing || !m->model.ranks.p[i]->close.drained)
			return false;
	return true;
}

static void play_programs(struct programs *m, uint64_t seed)
{
	*m = (struct programs){ .model = { .random = seed } };
	struct model *model = &m->model;
	begin(&model->ranks, 2 + (int)pick(model, RANKS_MAX - 1));
	m->common = UINT32_MAX;
	for (int i = 0; i < model->ranks.n; i++) {
		m->of[i].fences = pick(model, 4);
		if (m->of[i].fences < m->common)
			m->common = m->of[i].fences;
	}
	unsigned lazy = pick(model, 30); /* per cent of turns in which the programs do anything */
	for (unsigned turn_nr = 0; !model->wrong[0] && !all_closed(m); turn_nr++) {
		int rank = (int)pick(model, model->ranks.n);
		if (pick(model, 100) < 1 + lazy)
			go_on(m, rank);
		else if (pick(model, 2))
			some_word(model);
		else
			step(&model->ranks, rank);
		if (turn_nr > 1000000)
			is_wrong(m, rank, "it does not end");
	}
	for (int i = 0; i < model->ranks.n; i++)
		ferry_future_release(m->of[i].fence);
	end(&model->ranks);
}

static void fences_here_and_a_close_there(void **state)
{
	(void)state;
	unsigned long seeds = t_seeds(3000), first = t_env("FERRY_FIRST_SEED", 1),
		      only = t_env("FERRY_SEED", 0);
	for (unsigned long i = 0; i < (only ? 1 : seeds); i++) {
		static struct programs m;
		play_programs(&m, only ? only : first + i);
		if (m.model.wrong[0])
			fail_msg("seed %lu: %s", only ? only : first + i, m.model.wrong);
	}
}

/* Where the ranks do not agree on who goes on, a close goes on without the rank; a fence cannot,
 * and says so. */
static void a_rank_that_is_gone_ends_a_fence(void **state)
{
	(void)state;
	for (uint32_t kind = FY_AGREE_FENCE; kind <= FY_AGREE_CLOSE; kind++) {
		struct ranks r;
		begin(&r, 3);
		struct fy_progress *p = r.p[0];
		ferry_future *waiter = fy_future_create(r.engines[0], 0);
		assert_non_null(waiter);
		fy_agree_join(p, kind);
		p->agree.waiter = waiter;
		p->lookout.on = true;
		fy_agree_give_up(p); /* here they do */
		assert_int_equal(ferry_future_poll(waiter), FERRY_PENDING);
		p->lookout.on = false;
		fy_agree_give_up(p);
		bool fence = kind == FY_AGREE_FENCE;
		assert_int_equal(ferry_future_poll(waiter), fence ? FERRY_EPEER : FERRY_PENDING);
		assert_int_equal(p->agree.kind, fence ? 0 : FY_AGREE_CLOSE);
		fy_agree_complete(&p->agree, FERRY_OK, NULL);
		ferry_future_release(waiter);
		end(&r);
	}
}

/* ---- a new crew -------------------------------------------------------------------------- */

/* That rank learns that another one is gone. */
static void learn(struct ranks *r, int rank, int gone)
{
	struct fy_crew_of *crew = &r->p[rank]->lookout.crew.now;
	fy_bits_remove(crew->members, gone);
	crew->number++;
	fy_agree_new_crew(r->p[rank]);
}

static void learn_all(struct ranks *r, int gone)
{
	for (int i = 0; i < r->n; i++)
		if (i != gone)
			learn(r, i, gone);
}

/* What goes to or comes from a dead rank is lost. */
static void lose_words(struct ranks *r, int gone)
{
	int n = 0;
	for (int i = 0; i < r->n_words; i++)
		if (r->words[i].to != gone && r->words[i].from != gone)
			r->words[n++] = r->words[i];
	r->n_words = n;
}

static void turns_without(struct ranks *r, int gone, unsigned n)
{
	while (n--)
		for (int i = r->n - 1; i >= 0; i--) {
			if (i != gone)
				step(r, i);
			lose_words(r, gone);
			while (r->n_words) {
				deliver(r, 0);
				lose_words(r, gone);
			}
		}
}

static int over_among(const struct ranks *r, int gone)
{
	int count = 0;
	for (int i = 0; i < r->n; i++)
		count += i != gone && r->p[i]->agree.finished == 1;
	return count;
}

/* Any rank of a tree may die; the others begin again. Records to and from it do not count, and
 * those between the others do. */
static void the_others_begin_again(void **state)
{
	(void)state;
	for (uint32_t kind = FY_AGREE_FENCE; kind <= FY_AGREE_CLOSE; kind++)
		for (int gone = 0; gone < 6; gone++) {
			struct ranks r;
			int a = (gone + 1) % 6, b = (gone + 2) % 6;
			begin(&r, 6);
			struct fy_channel *to_gone = fy_peer_get(r.p[a], gone),
					  *from_gone = fy_peer_get(r.p[b], gone);
			fy_channel_issued(&r.p[a]->link, to_gone, 0, 3);
			fy_channel_done(&r.p[b]->link, from_gone, 0, 5);
			r.p[a]->link.counts.issued[0]++; /* to b */
			join_all(&r, kind);
			turns_without(&r, gone, 5);
			assert_int_equal(over_among(&r, gone), 0);
			learn_all(&r, gone);
			turns_without(&r, gone, 20);
			assert_int_equal(over_among(&r, gone), 0); /* one is on its way */
			r.p[b]->link.counts.done[0]++;
			turns_without(&r, gone, 10);
			assert_int_equal(over_among(&r, gone), 5);
			end(&r);
		}
}

/* Rank 1 dies before it passes on that the fence is over. Ranks 3 and 4, which were below it, learn
 * that from others, in whichever order all learn of the new crew. */
static void what_some_have_finished_all_finish(void **state)
{
	(void)state;
	for (int late = 0; late < 5; late++) {
		struct ranks r;
		begin(&r, 5);
		join_all(&r, FY_AGREE_FENCE);
		for (unsigned i = 0; !over_among(&r, 1); i++) {
			assert_true(i < 100);
			for (int k = 4; k >= 0; k--)
				if (!over_among(&r, 1))
					step(&r, k);
			while (r.n_words && !over_among(&r, 1))
				deliver(&r, 0);
		}
		lose_words(&r, 1);
		fy_channel_issued(&r.p[3]->link, fy_peer_get(r.p[3], 4), 0,
		                  1); /* as if it was new */
		for (int i = 0; i < 5; i++)
			if (i != 1 && i != late)
				learn(&r, i, 1);
		turns_without(&r, 1, 5);
		if (late != 1)
			learn(&r, late, 1);
		turns_without(&r, 1, 5);
		assert_int_equal(over_among(&r, 1), 4);
		end(&r);
	}
}

/* A word of the crew before comes late: it is of no agreement of this one. */
static void words_of_the_crew_before_do_not_count(void **state)
{
	(void)state;
	struct ranks r;
	begin(&r, 4);
	join_all(&r, FY_AGREE_FENCE);
	struct fy_agree_word up = { .n = 1, .round = 0, .kind = FY_AGREE_FENCE },
			     down = { .n = 1, .round = 0, .kind = FY_AGREE_FENCE, .verdict = 1 };
	learn_all(&r, 3);
	fy_agree_up(r.p[0], fy_peer_get(r.p[0], 1), &up);
	fy_agree_up(r.p[0], fy_peer_get(r.p[0], 2), &up);
	step(&r, 0);
	assert_int_equal(r.n_words, 0); /* it waits for both */
	step(&r, 1);
	fy_agree_down(r.p[1], fy_peer_get(r.p[1], 0), &down);
	assert_int_equal(r.p[1]->agree.finished, 0);
	up.crew = down.crew = 4; /* which cannot be */
	fy_agree_up(r.p[0], fy_peer_get(r.p[0], 1), &up);
	fy_agree_down(r.p[1], fy_peer_get(r.p[1], 0), &down);
	assert_int_equal(r.p[0]->link.stats.malformed + r.p[1]->link.stats.malformed, 2);
	end(&r);
}

/* What an executor has of a rank that is gone is waited for. */
static void what_came_from_the_dead_is_waited_for(void **state)
{
	(void)state;
	for (uint32_t kind = FY_AGREE_FENCE; kind <= FY_AGREE_CLOSE; kind++) {
		struct ranks r;
		begin(&r, 4);
		struct fy_channel *ch = fy_peer_get(r.p[1], 3);
		ch->counts.given = 1;
		join_all(&r, kind);
		learn_all(&r, 3);
		turns_without(&r, 3, 20);
		assert_int_equal(over_among(&r, 3), 0);
		fy_add_64(&ch->credit.account->handled[0], 1);
		fy_add_64(&r.engines[1]->told.handled_elsewhere[0], 1);
		r.p[1]->handlers.given = 1;
		turns_without(&r, 3, 10);
		assert_int_equal(over_among(&r, 3), 3);
		end(&r);
	}
}

/* Some are frozen when a rank dies. The close freezes all before it ends. */
static void who_was_frozen_freezes_the_others(void **state)
{
	(void)state;
	struct ranks r;
	begin(&r, 4);
	join_all(&r, FY_AGREE_CLOSE);
	while (!stopped(&r, 0))
		for (int i = 3; i >= 0 && !stopped(&r, 0); i--) {
			step(&r, i);
			while (r.n_words && !stopped(&r, 0))
				deliver(&r, 0);
		}
	assert_false(stopped(&r, 2));
	lose_words(&r, 1);
	r.n_words = 0; /* of the crew before */
	learn_all(&r, 1);
	for (unsigned i = 0; !r.p[0]->close.drained; i++) {
		assert_true(i < 20);
		turns_without(&r, 1, 1);
		assert_true(!r.p[0]->close.drained || (stopped(&r, 2) && stopped(&r, 3)));
	}
	end(&r);
}

/* The rank that closes is gone: fences of the others go on. */
static void news_of_the_dead_are_forgotten(void **state)
{
	(void)state;
	struct ranks r;
	begin(&r, 4);
	fy_agree_join(r.p[3], FY_AGREE_CLOSE);
	turns(&r, 3);
	for (int i = 0; i < 4; i++)
		assert_true(r.p[i]->agree.closing.known);
	learn_all(&r, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fy_news_refuse_fence(r.p[i]), FERRY_OK);
		fy_agree_join(r.p[i], FY_AGREE_FENCE);
	}
	turns_without(&r, 3, 10);
	assert_int_equal(over_among(&r, 3), 3);
	end(&r);
}

/* Ranks that wait say nothing: no words, and nothing that is due. */
static void who_waits_says_nothing(void **state)
{
	(void)state;
	for (uint32_t kind = FY_AGREE_FENCE; kind <= FY_AGREE_CLOSE; kind++) {
		struct ranks r;
		begin(&r, 7);
		for (int i = 0; i < 6; i++)
			fy_agree_join(r.p[i], kind);
		turns(&r, 20);
		for (int i = 0; i < 7; i++) {
			step(&r, i);
			assert_int_equal(r.n_words, 0);
			assert_false(r.p[i]->agree.up_due);
		}
		r.p[2]->link.counts.issued[0]++; /* all have come, and something is on its way */
		fy_agree_join(r.p[6], kind);
		turns(&r, 20);
		for (int i = 0; i < 7; i++) {
			step(&r, i);
			assert_int_equal(r.n_words, 0);
			assert_false(r.p[i]->agree.up_due);
		}
		assert_false(over_for_anybody(&r));
		r.p[5]->link.counts.done[0]++;
		turns(&r, 12);
		assert_true(over(&r));
		end(&r);
	}
}

/* Each rank that is in the close knows, after a while, whom it waits for. */
static void who_is_awaited_is_known(void **state)
{
	(void)state;
	struct ranks r;
	struct fy_awaited list;
	static const int order[] = { 3, 0, 6, 1, 2, 5, 4 };
	bool joined[RANKS_MAX] = { false };
	begin(&r, 7);
	for (int n = 0; n < 7; n++) {
		joined[order[n]] = true;
		fy_agree_join(r.p[order[n]], FY_AGREE_CLOSE);
		/* of 2 ms: what changed is told after a second */
		for (int again = 0; again < 1500; again++)
			turn(&r);
		for (int i = 0; i < 7 && n < 6; i++) {
			unsigned at = 0, named = 0;
			fy_news_awaited(r.p[i], &list);
			assert_int_equal(list.count, 6 - n);
			for (int rank = 0; rank < 7; rank++) {
				if (joined[rank])
					continue;
				if (at++ < FY_AWAITED_NAMED)
					assert_int_equal(list.first[named++], rank);
			}
		}
	}
	assert_true(over(&r));
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quiet_ranks_agree),
		cmocka_unit_test(nobody_is_done_before_all_have_joined),
		cmocka_unit_test(one_round_is_not_enough),
		cmocka_unit_test(what_is_on_its_way_is_waited_for),
		cmocka_unit_test(who_is_busy_is_waited_for),
		cmocka_unit_test(what_waits_in_a_lane_is_waited_for),
		cmocka_unit_test(a_close_freezes_before_it_ends),
		cmocka_unit_test(what_is_no_verdict_is_not_believed),
		cmocka_unit_test(a_fence_lets_everybody_go_on),
		cmocka_unit_test(counts_that_cannot_match_end_it_late),
		cmocka_unit_test(a_fence_ends_beside_floods),
		cmocka_unit_test(nothing_is_under_way_when_it_is_over),
		cmocka_unit_test(fences_here_and_a_close_there),
		cmocka_unit_test(a_rank_that_is_gone_ends_a_fence),
		cmocka_unit_test(the_others_begin_again),
		cmocka_unit_test(what_some_have_finished_all_finish),
		cmocka_unit_test(words_of_the_crew_before_do_not_count),
		cmocka_unit_test(what_came_from_the_dead_is_waited_for),
		cmocka_unit_test(who_was_frozen_freezes_the_others),
		cmocka_unit_test(news_of_the_dead_are_forgotten),
		cmocka_unit_test(who_waits_says_nothing),
		cmocka_unit_test(who_is_awaited_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
