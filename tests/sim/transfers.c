/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large messages between two engines over the simulated network, when something is not as it should
 * be: a chunk is not sent or not received, tags repeat, and what has no memory waits. What must
 * hold: the poster's future says what happened; nothing incomplete is delivered; what is lent comes
 * back once; the budget is whole afterwards; and other messages go on. Scenarios first, then what a
 * seed draws: FERRY_SEEDS says how many (300), FERRY_SEED names one.
 */
#include "digest.h"
#include "support/life.h"
#include "sim/net/sim.h"

#include "app/post.h"
#include "base/order.h"
#include "bulk/bulk.h"
#include "engine/life.h"
#include "helm/close.h"
#include "helm/lanes.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "link/channel.h"
#include "port/port.h"
#include "shared/engine.h"
#include "shared/message.h"
#include "shared/thread.h"
#include "bulk/pair.h"

#include <stdlib.h>

enum { OP_LARGE = 1, OP_SMALL, OP_ASK, OP_KEPT, RANKS = 2, ROUNDS_MAX = 200000, CHUNK = 8192 };

static struct pair {
	fy_sim *sim;
	ferry *engine[RANKS];
	unsigned large, small, asked; /* taken by handlers */
	uint64_t sum;                 /* of the sizes of what is large */
	size_t answer;                /* of how many bytes */
	unsigned lent, released;
	bool broken; /* a message came that nobody sent */
	bool drawn;  /* by a seed, no scenario */
	uint64_t seed;
} t;
static uint64_t scenarios; /* that are over */

/* ---- bytes ------------------------------------------------------------------------------ */

static void fill(char *to, size_t nbytes)
{
	for (size_t i = 0; i < nbytes; i++)
		to[i] = (char)(i * 31 + i / 251 + nbytes);
}

static bool right(const char *data, size_t nbytes)
{
	for (size_t i = 0; i < nbytes; i++)
		if (data[i] != (char)(i * 31 + i / 251 + nbytes))
			return false;
	return true;
}

static void released(void *data, void *arg)
{
	size_t nbytes = (size_t)(uintptr_t)arg;
	t.broken |= !right(data, nbytes);
	t.released++;
	free(data);
}

static ferry_message *message(int rank, uint32_t op, size_t nbytes)
{
	ferry_message *m;
	char *data = malloc(nbytes);
	fill(data, nbytes);
	assert_int_equal(ferry_message_create(t.engine[rank], op, &m), 0);
	assert_int_equal(ferry_message_attach(m, data, nbytes, released, (void *)(uintptr_t)nbytes),
	                 0);
	t.lent++;
	return m;
}

/* ---- the pair ------------------------------------------------------------------------------ */

/* For the digest. */
static void note(const ferry *engine, uint64_t what)
{
	fy_sim_note(t.sim, engine == t.engine[1], what);
}

static void on_large(ferry *engine, ferry_message *m, void *arg)
{
	size_t nbytes;
	const char *data = ferry_message_attachment(m, 0, &nbytes);
	(void)arg;
	t.broken |= ferry_message_attachments(m) != 1 || !right(data, nbytes);
	t.large++;
	t.sum += nbytes;
	note(engine, nbytes);
}

static void on_small(ferry *engine, ferry_message *m, void *arg)
{
	(void)m;
	(void)arg;
	t.small++;
	note(engine, t.small);
}

static void on_ask(ferry *engine, ferry_message *m, void *arg)
{
	(void)arg;
	t.asked++;
	note(engine, t.asked);
	ferry_message *answer = message(engine == t.engine[1], OP_ASK, t.answer);
	assert_int_equal(ferry_reply_message(m, answer), 0);
	ferry_message_release(answer);
}

static void handle(int rank, uint32_t op, ferry_handler_fn *fn)
{
	ferry *before = fy_thread_begin(FY_INLINE, t.engine[rank]);
	assert_int_equal(ferry_handle(t.engine[rank], op, FERRY_INLINE, fn, NULL), 0);
	fy_thread_end(FY_INLINE, before);
}

static void start(uint64_t seed, const struct fy_sim_options *net)
{
	memset(&t, 0, sizeof t);
	t.seed = seed;
	t.sim = fy_sim_create(RANKS, seed, net);
	for (int i = 0; i < RANKS; i++) {
		ferry_options given = FERRY_OPTIONS_INIT;
		given.flags = FERRY_NONBLOCK;
		given.spin = given.sleep_max = FERRY_NONE;
		given.receive_memory = 1 << 20;
		given.handler_grace = FERRY_NONE;
		t.engine[i] = t_open(fy_sim_port(t.sim, i), &given);
		handle(i, OP_LARGE, on_large);
		handle(i, OP_SMALL, on_small);
		handle(i, OP_ASK, on_ask);
	}
}

static void step(void)
{
	for (int i = 0; i < RANKS; i++)
		fy_step_once(t.engine[i]->progress, true);
	if (!fy_sim_advance(t.sim))
		fy_sim_advance_to(t.sim, fy_sim_now(t.sim) + FERRY_US(100));
	assert_string_equal(fy_sim_misuse(t.sim), "");
}

static bool idle(void)
{
	for (int i = 0; i < RANKS; i++) {
		struct fy_progress *p = t.engine[i]->progress;
		if (!fy_bulk_is_quiet(&p->bulk) || p->link.n_streams || p->link.n_pending ||
		    p->link.n_flying || p->link.dirty || fy_lanes_have_work(p) ||
		    p->link.calls.open)
			return false;
	}
	return true;
}

static void settle(void)
{
	for (unsigned i = 0; i < ROUNDS_MAX && !idle(); i++)
		step();
	for (unsigned i = 0; i < 100; i++) /* memory that was freed just now is seen */
		step();
	assert_true(idle());
}

/* Of a future: how it ended. */
static int ended(ferry_future *future)
{
	int status = ferry_future_poll(future);
	fy_sim_note(t.sim, FY_PORT_ANY, (uint32_t)status);
	ferry_future_release(future);
	return status;
}

/* Nothing is left: neither budgets nor places nor loans. */
static void check_books(void)
{
	for (int i = 0; i < RANKS; i++) {
		struct fy_progress *p = t.engine[i]->progress;
		uint64_t returned = t.engine[i]->told.large_returned - p->bulk.budget.seen;
		assert_int_equal(p->bulk.budget.used[0] - returned, 0);
		assert_int_equal(p->bulk.budget.used[1], 0);
		assert_int_equal(p->bulk.landing.bytes, 0);
		assert_int_equal(p->link.stats.malformed, 0);
		for (struct fy_channel *ch = p->link.all; ch; ch = ch->all_next) {
			assert_null(fy_pair_in(ch)->first);
			assert_null(fy_pair_out(ch)->active);
			assert_null(ch->streams_out);
			assert_null(fy_pair_in(ch)->turns.first);
			assert_null(fy_pair_out(ch)->turns.first);
			assert_int_equal(ch->credit.unreturned, 0);
			assert_int_equal(fy_pair_in(ch)->lengths_bytes, 0);
			assert_int_equal(ch->gone, 0);
		}
	}
	assert_int_equal(t.released, t.lent);
	assert_false(t.broken);
}

static void end(void)
{
	for (int i = 0; i < RANKS; i++) {
		fy_store_release_32(&t.engine[i]->phase, FY_CLOSING);
		fy_close_begin(t.engine[i]->progress);
	}
	bool all = false;
	for (unsigned i = 0; i < ROUNDS_MAX && !all; i++) {
		all = true;
		for (int k = 0; k < RANKS; k++)
			all &= fy_progress_of(t.engine[k])->close.stopped;
		if (!all)
			step();
	}
	assert_true(all);
	assert_int_equal(fy_sim_outstanding(t.sim, FY_PORT_ANY), 0);
	for (int i = 0; i < RANKS; i++) {
		assert_int_equal(fy_life_destroy(t.engine[i]), 0);
		fy_engine_release(t.engine[i]);
	}
	if (t.drawn)
		t_digest("transfers", t.seed, t.sim);
	else
		t_digest("scenarios", ++scenarios, t.sim);
	fy_sim_destroy(t.sim);
}

/* ---- chunks that fail -------------------------------------------------- */

static ferry_future *post(int rank, uint32_t op, size_t nbytes)
{
	ferry_future *future;
	ferry_message *m = message(rank, op, nbytes);
	assert_int_equal(ferry_post_message(t.engine[rank], !rank, m, &future), 0);
	ferry_message_release(m);
	return future;
}

static ferry_future *post_small(void)
{
	ferry_future *future;
	assert_int_equal(ferry_post(t.engine[0], 1, OP_SMALL, "x", 1, &future), 0);
	return future;
}

static void says(ferry_future *future, const char *text)
{
	assert_int_equal(ferry_future_poll(future), FERRY_EMPI);
	assert_non_null(strstr(ferry_future_detail(future), text));
	ferry_future_release(future);
}

/* Chunks from the `skip`th on fail, on one side; before and behind the message that they are of
 * goes another. */
static void chunk_of_a_post(bool receives, size_t nbytes, unsigned skip, unsigned count,
                            size_t eager)
{
	struct fy_sim_options net = { .chunk_max = CHUNK,
		                      .eager_max = eager,
		                      .count_misuse = true };
	start(skip + 1, &net);
	fy_sim_fail_data(t.sim, receives, receives, skip, count);
	ferry_future *future = post(0, OP_LARGE, nbytes), *small = post_small();
	settle();
	says(future, receives ? "did not get all of it" : "did not send a part of it");
	assert_int_equal(ended(small), 0);
	assert_int_equal(t.large, 0);
	assert_int_equal(t.small, 1);
	fy_sim_fail_data(t.sim, receives, receives, 0, 0);
	check_books();
	future = post(0, OP_LARGE, nbytes + 1); /* and the next one is whole */
	settle();
	assert_int_equal(ended(future), 0);
	assert_int_equal(t.sum, nbytes + 1);
	check_books();
	end();
}

static void a_chunk_of_a_post(void **state)
{
	static const size_t sizes[] = { 5000, 7 * CHUNK, 20 * CHUNK + 5 },
			    eagers[] = { 1, CHUNK, SIZE_MAX };
	(void)state;
	for (unsigned s = 0; s < 3; s++)
		for (unsigned e = 0; e < 3; e++)
			for (unsigned receives = 0; receives < 2; receives++)
				for (unsigned skip = 0; CHUNK * skip < sizes[s]; skip += 1 + skip) {
					chunk_of_a_post(receives, sizes[s], skip, 1, eagers[e]);
					chunk_of_a_post(receives, sizes[s], skip, 3, eagers[e]);
				}
}

static void a_chunk_of_a_call(void **state)
{
	struct fy_sim_options net = { .chunk_max = CHUNK, .count_misuse = true };
	(void)state;
	for (unsigned receives = 0; receives < 2; receives++) {
		start(3, &net);
		t.answer = 100;
		fy_sim_fail_data(t.sim, (int)receives, receives, 2, 1);
		ferry_future *future;
		ferry_message *m = message(0, OP_ASK, 5 * CHUNK);
		assert_int_equal(ferry_call_message(t.engine[0], 1, m, &future), 0);
		ferry_message_release(m);
		settle();
		says(future, receives ? "did not get all of it" : "did not send a part of it");
		assert_int_equal(t.asked, 0);
		check_books();
		end();
	}
}

static void a_chunk_of_a_reply(void **state)
{
	struct fy_sim_options net = { .chunk_max = CHUNK, .count_misuse = true };
	(void)state;
	for (unsigned receives = 0; receives < 2; receives++)
		for (unsigned again = 0; again < 2; again++) {
			start(4 + again, &net);
			t.answer = 6 * CHUNK;
			fy_sim_fail_data(t.sim, !receives, receives, again ? 5 : 1, again ? 1 : 3);
			ferry_future *future;
			assert_int_equal(ferry_call(t.engine[0], 1, OP_ASK, "x", 1, &future), 0);
			settle();
			says(future, "could not be received");
			assert_int_equal(t.asked, 1);
			fy_sim_fail_data(t.sim, !receives, receives, 0, 0);
			check_books();
			assert_int_equal(ferry_call(t.engine[0], 1, OP_ASK, "x", 1, &future), 0);
			settle();
			assert_int_equal(ended(future), 0);
			check_books();
			end();
		}
}

/* Nobody has its future: the next flush says it. */
static void a_chunk_of_a_post_without_a_future(void **state)
{
	struct fy_sim_options net = { .chunk_max = CHUNK, .count_misuse = true };
	(void)state;
	start(5, &net);
	fy_sim_fail_data(t.sim, 1, true, 1, 1);
	ferry_message *m = message(0, OP_LARGE, 3 * CHUNK);
	ferry_future *flush;
	assert_int_equal(ferry_post_message(t.engine[0], 1, m, NULL), 0);
	ferry_message_release(m);
	assert_int_equal(fy_post_flush(t.engine[0], NULL, 1, 0, &flush), 0);
	settle();
	assert_int_equal(ended(flush), FERRY_EMPI);
	assert_int_equal(t.large, 0);
	check_books();
	end();
}

/* The port takes no more chunks: after a second the message is given up, not waited for. */
static void a_port_that_refuses(void **state)
{
	struct fy_sim_options net = { .chunk_max = CHUNK, .count_misuse = true };
	(void)state;
	start(6, &net);
	ferry_future *future = post(0, OP_LARGE, 30 * CHUNK);
	for (unsigned i = 0;
	     i < ROUNDS_MAX && fy_progress_of(t.engine[0])->link.stats.bytes_sent < 10 * CHUNK; i++)
		step();
	fy_sim_refuse(t.sim, 0, 1u << 30);
	int64_t begin = fy_sim_now(t.sim);
	while (ferry_future_poll(future) == FERRY_PENDING && fy_sim_now(t.sim) - begin < FERRY_S(3))
		step();
	assert_int_equal(ferry_future_poll(future), FERRY_EMPI);
	fy_sim_refuse(t.sim, 0, 0);
	settle();
	ferry_future_release(future);
	assert_int_equal(t.large, 0);
	check_books();
	end();
}

/* ---- tags -------------------------------------------------------------- */

/* Sizes that are prepaid and sizes that are not, requests and replies, and as few tags as there
 * can be. */
static void tags_that_repeat(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 60; seed++) {
		struct fy_sim_options net = { .chunk_max = CHUNK,
			                      .tag_max = 2 + (int)seed % 5,
			                      .count_misuse = true,
			                      .eager_max = seed % 2 ? SIZE_MAX : 1 };
		ferry_future *futures[60];
		uint64_t random = seed, sum = 0;
		start(seed, &net);
		for (unsigned i = 0; i < 60; i++) {
			size_t nbytes = 4200 + t_random(&random) % (i % 3 ? 2 * CHUNK : 12 * CHUNK);
			t.answer = 3 * CHUNK;
			if (i % 4 == 3) {
				assert_int_equal(ferry_call(t.engine[1], 0, OP_ASK, "x", 1,
				                            &futures[i]),
				                 0);
				continue;
			}
			futures[i] = post(0, OP_LARGE, nbytes);
			sum += nbytes;
			for (unsigned k = t_random(&random) % 20; k; k--)
				step();
		}
		settle();
		for (unsigned i = 0; i < 60; i++)
			assert_int_equal(ended(futures[i]), 0);
		assert_int_equal(t.sum, sum);
		check_books();
		end();
	}
}

/* A request waits for memory that the program of the receiver holds. A reply with the same tags
 * passes it. */
static void a_reply_passes_a_request(void **state)
{
	struct fy_sim_options net = { .chunk_max = CHUNK, .tag_max = 3, .count_misuse = true };
	ferry_message *kept = NULL;
	ferry_future *waits, *call, *first;
	(void)state;
	start(7, &net);
	first = post(0, OP_KEPT, 300 << 10); /* of 384 KiB: for the mailbox */
	for (unsigned i = 0; i < ROUNDS_MAX && !kept; i++) {
		step();
		ferry *before = fy_thread_begin(FY_INLINE, NULL);
		ferry_recv(t.engine[1], FERRY_ANY, OP_KEPT, 0, &kept);
		fy_thread_end(FY_INLINE, before);
	}
	assert_non_null(kept);
	settle();
	assert_int_equal(ended(first), 0);
	waits = post(0, OP_LARGE, 200 << 10);
	for (unsigned i = 0; i < 2000; i++)
		step();
	t.answer = 10 * CHUNK;
	assert_int_equal(ferry_call(t.engine[1], 0, OP_ASK, "x", 1, &call), 0);
	for (unsigned i = 0; i < 5000 && ferry_future_poll(call) == FERRY_PENDING; i++)
		step();
	assert_int_equal(ended(call), 0);
	assert_int_equal(ferry_future_poll(waits), FERRY_PENDING);
	ferry_message_release(kept);
	settle();
	assert_int_equal(ended(waits), 0);
	check_books();
	end();
}

/* ---- what a seed draws ------------------------------------------------------------------- */

enum { DRAWN = 40 };

struct drawn {
	ferry_future *future;
	size_t nbytes; /* of a large post */
	bool cancelled;
};

static uint64_t pick(uint64_t *random, uint64_t n)
{
	return t_random(random) % n;
}

static bool chance(uint64_t *random, unsigned percent)
{
	return pick(random, 100) < percent;
}

static struct fy_sim_options draw_network(uint64_t *random)
{
	static const size_t eager[] = { 1, 512, CHUNK, SIZE_MAX };
	static const size_t chunk[] = { CHUNK, CHUNK, 20000, 1u << 30 };
	static const int tags[] = { 2, 3, 6, 50, 1 << 28 };
	return (struct fy_sim_options){
		.count_misuse = true,
		.eager_max = eager[pick(random, 4)],
		.chunk_max = chunk[pick(random, 4)],
		.tag_max = tags[pick(random, 5)],
		.delay_max = 1000 + (int64_t)pick(random, 60000),
		.late_max = chance(random, 30) ? 1 + (int64_t)pick(random, 200000) : 0,
		.grain = chance(random, 30) ? 1000 : 1,
		.refuse_ppm = chance(random, 30) ? (uint32_t)pick(random, 200000) : 0,
		.fail_data_ppm = chance(random, 30) ? (uint32_t)pick(random, 100000) : 0,
	};
}

/* A large post, perhaps without a future; a small one; a flush; a call with a large reply; a large
 * call. */
static void draw_one(uint64_t *random, struct drawn *d)
{
	int rank = (int)pick(random, RANKS);
	size_t nbytes = 4200 + pick(random, chance(random, 50) ? 2 * CHUNK : 15 * CHUNK);
	unsigned kind = (unsigned)pick(random, 10);
	if (kind < 5) {
		ferry_message *m = message(rank, OP_LARGE, d->nbytes = nbytes);
		ferry_future **future_p = kind ? &d->future : NULL;
		assert_int_equal(ferry_post_message(t.engine[rank], !rank, m, future_p), 0);
		ferry_message_release(m);
	} else if (kind == 5) {
		int status = ferry_post(t.engine[rank], !rank, OP_SMALL, "x", 1, &d->future);
		assert_int_equal(status, 0);
	} else if (kind == 6) {
		assert_int_equal(fy_post_flush(t.engine[rank], NULL, !rank, 0, &d->future), 0);
	} else if (kind < 9) {
		assert_int_equal(ferry_call(t.engine[rank], !rank, OP_ASK, "x", 1, &d->future), 0);
	} else {
		ferry_message *m = message(rank, OP_ASK, nbytes);
		assert_int_equal(ferry_call_message(t.engine[rank], !rank, m, &d->future), 0);
		ferry_message_release(m);
	}
}

/* What was confirmed came, and nothing came that was not posted. */
static void check_drawn(struct drawn drawn[DRAWN], bool may_fail)
{
	uint64_t confirmed = 0, posted = 0;
	for (struct drawn *d = drawn; d < drawn + DRAWN; d++) {
		int wrong = d->cancelled ? FERRY_ECANCELED : may_fail ? FERRY_EMPI : FERRY_OK;
		int status = d->future ? ended(d->future) : wrong;
		posted += d->nbytes;
		if (status == FERRY_OK)
			confirmed += d->nbytes;
		else
			assert_int_equal(status, wrong);
	}
	assert_in_range(t.sum, confirmed, posted);
}

static void run_drawn(uint64_t seed)
{
	uint64_t random = seed;
	struct fy_sim_options net = draw_network(&random);
	struct drawn drawn[DRAWN] = { 0 };
	start(seed, &net);
	t.drawn = true;
	t.answer = 1 + pick(&random, 12 * CHUNK);
	for (unsigned i = 0; i < DRAWN; i++) {
		draw_one(&random, &drawn[i]);
		for (uint64_t k = chance(&random, 30) ? pick(&random, 60) : 0; k; k--)
			step();
		struct drawn *d = &drawn[pick(&random, i + 1)];
		if (d->future && chance(&random, 10))
			d->cancelled |= ferry_future_cancel(d->future) == FERRY_OK;
	}
	settle();
	check_drawn(drawn, net.fail_data_ppm);
	step();
	check_books();
	end();
}

static void what_a_seed_draws(void **state)
{
	unsigned long only = t_env("FERRY_SEED", 0), seeds = only ? 1 : t_seeds(300);
	(void)state;
	for (unsigned long i = 1; i <= seeds; i++)
		run_drawn(only ? only : i);
}

/* Runs after a failure, too. */
static int say_seed(void **state)
{
	(void)state;
	printf("# the last seed was %llu: again with FERRY_SEED=%llu\n", (unsigned long long)t.seed,
	       (unsigned long long)t.seed);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chunk_of_a_post),
		cmocka_unit_test(a_chunk_of_a_call),
		cmocka_unit_test(a_chunk_of_a_reply),
		cmocka_unit_test(a_chunk_of_a_post_without_a_future),
		cmocka_unit_test(a_port_that_refuses),
		cmocka_unit_test(tags_that_repeat),
		cmocka_unit_test(a_reply_passes_a_request),
		cmocka_unit_test_teardown(what_a_seed_draws, say_seed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
