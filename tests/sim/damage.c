/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network that changes bits, and the option checksum: two engines that post, call and send large
 * messages to each other, and one message of which one bit arrives as the other. Every seed: the
 * damage is found, no handler sees a wrong byte, every future is decided, and both ranks close. And
 * the same without damage, where everything arrives; and without the option, where wrong bytes are
 * seen.
 */
#include "support/life.h"
#include "sim/net/sim.h"

#include "app/own_lane.h"
#include "helm/close.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "shared/message.h"
#include "shared/thread.h"

enum { OP_POST = 7, OP_CALL, OP_LARGE, MESSAGES = 24, PARTS_MAX = 3, TURNS_MAX = 200000 };

#define HOLDS(run, x)                                                                           \
	do {                                                                                    \
		if (!(x))                                                                       \
			fail_msg("seed %llu: not so: %s", (unsigned long long)(run)->seed, #x); \
	} while (0)

struct run {
	fy_sim *sim;
	uint64_t seed;
	uint64_t random;
	ferry *engines[2];
	struct fy_progress *p[2];
	ferry_future *futures[2 * MESSAGES];
	unsigned n_futures, delivered, wrong, released;
};

static uint32_t pick(struct run *run, uint32_t n)
{
	return (uint32_t)(t_random(&run->random) >> 33) % n;
}

/* ---- bytes that tell --------------------------------------------------------------- */

static void write_pattern(unsigned char *bytes, size_t nbytes)
{
	for (size_t i = 0; i < nbytes; i++)
		bytes[i] = (unsigned char)(nbytes * 7 + i * 31 + (i >> 8));
}

static bool is_pattern(const unsigned char *bytes, size_t nbytes)
{
	for (size_t i = 0; i < nbytes; i++)
		if (bytes[i] != (unsigned char)(nbytes * 7 + i * 31 + (i >> 8)))
			return false;
	return true;
}

static void look(struct run *run, const ferry_message *message)
{
	size_t nbytes;
	const void *bytes = ferry_message_body(message, &nbytes);
	bool right = is_pattern(bytes, nbytes);
	for (size_t i = 0; i < ferry_message_attachments(message); i++) {
		bytes = ferry_message_attachment(message, i, &nbytes);
		right &= is_pattern(bytes, nbytes);
	}
	run->wrong += !right;
	run->delivered++;
}

static void on_message(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	look(arg, message);
}

static void give_back(void *data, void *arg)
{
	struct run *run = arg;
	run->released++;
	free(data);
}

static ferry_message *large(struct run *run, ferry *engine)
{
	ferry_message *m;
	assert_int_equal(ferry_message_create(engine, OP_LARGE, &m), FERRY_OK);
	for (uint32_t parts = 1 + pick(run, PARTS_MAX); parts; parts--) {
		size_t nbytes = 5000 + pick(run, 200000);
		unsigned char *data = malloc(nbytes);
		write_pattern(data, nbytes);
		assert_int_equal(ferry_message_attach(m, data, nbytes, give_back, run), FERRY_OK);
	}
	return m;
}

/* Half of the calls get a large reply. */
static void on_call(ferry *engine, ferry_message *message, void *arg)
{
	struct run *run = arg;
	unsigned char bytes[1000];
	size_t nbytes = 1 + pick(run, sizeof bytes);
	look(run, message);
	write_pattern(bytes, nbytes);
	if (pick(run, 2)) {
		ferry_message *m = large(run, engine);
		ferry_reply_message(message, m);
		ferry_message_release(m);
	} else {
		ferry_reply(message, bytes, nbytes);
	}
}

/* ---- a run ------------------------------------------------------------- */

static void open_rank(struct run *run, int rank, int checksum)
{
	ferry_options given = FERRY_OPTIONS_INIT;
	given.flags = FERRY_NONBLOCK;
	given.checksum = checksum;
	given.handler_grace = FERRY_MS(1);
	ferry *e = run->engines[rank] = t_open(fy_sim_port(run->sim, rank), &given);
	run->p[rank] = fy_progress_of(e);
	ferry *before = fy_thread_begin(FY_INLINE, e);
	assert_int_equal(ferry_handle(e, OP_POST, FERRY_INLINE, on_message, run), FERRY_OK);
	assert_int_equal(ferry_handle(e, OP_CALL, FERRY_INLINE, on_call, run), FERRY_OK);
	assert_int_equal(ferry_handle(e, OP_LARGE, FERRY_INLINE, on_message, run), FERRY_OK);
	fy_thread_end(FY_INLINE, before);
}

static void begin(struct run *run, uint64_t seed, int checksum, struct fy_sim_options net)
{
	*run = (struct run){ .seed = seed, .random = seed, .sim = fy_sim_create(2, seed, &net) };
	assert_non_null(run->sim);
	open_rank(run, 0, checksum);
	open_rank(run, 1, checksum);
}

static void act(struct run *run, int from)
{
	ferry *e = run->engines[from];
	unsigned char bytes[3000];
	size_t nbytes = 1 + pick(run, pick(run, 2) ? 64 : sizeof bytes);
	ferry_future *f = NULL;
	int status;
	write_pattern(bytes, nbytes);
	ferry *before = fy_thread_begin(FY_INLINE, e);
	if (pick(run, 4) == 0) {
		ferry_message *m = large(run, e);
		status = ferry_post_message(e, 1 - from, m, &f);
		ferry_message_release(m);
	} else if (pick(run, 2)) {
		status = ferry_call(e, 1 - from, OP_CALL, bytes, nbytes, &f);
	} else {
		status = ferry_post(e, 1 - from, OP_POST, bytes, nbytes, &f);
	}
	fy_thread_end(FY_INLINE, before);
	if (status == FERRY_OK)
		run->futures[run->n_futures++] = f;
}

static bool step(struct run *run)
{
	bool worked = false;
	for (int i = 0; i < 2; i++)
		if (!run->p[i]->close.stopped)
			worked |= fy_step_once(run->p[i], true);
	return worked | fy_sim_advance(run->sim);
}

static void settle(struct run *run)
{
	for (unsigned turn = 0; step(run); turn++)
		HOLDS(run, turn < TURNS_MAX);
}

static void work(struct run *run)
{
	for (unsigned i = 0; i < MESSAGES; i++) {
		act(run, (int)pick(run, 2));
		for (unsigned n = pick(run, 20); n; n--)
			step(run);
	}
	settle(run);
}

/* Everything is decided. Returns how many failed. */
static unsigned settle_futures(struct run *run)
{
	unsigned failed = 0;
	for (unsigned i = 0; i < run->n_futures; i++) {
		ferry_future *f = run->futures[i];
		ferry_message *reply;
		int status = ferry_future_poll(f);
		HOLDS(run, status != FERRY_PENDING);
		failed += status != FERRY_OK;
		if (ferry_future_take(f, &reply) == FERRY_OK) {
			look(run, reply);
			ferry_message_release(reply);
		}
		ferry_future_release(f);
	}
	return failed;
}

/* What a rank leaves to its network when a peer is gone: it comes back with the network's end. */
static void take_back(struct run *run, int rank)
{
	fy_sim_kill(run->sim, rank);
	for (unsigned i = 0; i < 100; i++)
		fy_step_once(run->p[rank], true);
	run->p[rank]->close.clean = true;
}

static void end(struct run *run)
{
	for (int i = 0; i < 2; i++) {
		fy_store_release_32(&run->engines[i]->phase, FY_CLOSING);
		fy_close_begin(run->p[i]);
	}
	for (unsigned turn = 0; !run->p[0]->close.stopped || !run->p[1]->close.stopped; turn++) {
		HOLDS(run, turn < TURNS_MAX);
		if (!step(run))
			fy_sim_advance_to(run->sim, fy_sim_now(run->sim) + FERRY_MS(1));
	}
	for (int i = 0; i < 2; i++) {
		if (!run->p[i]->close.clean)
			take_back(run, i);
		fy_life_destroy(run->engines[i]);
		fy_engine_release(run->engines[i]);
	}
	fy_sim_destroy(run->sim);
}

static int gone(const struct run *run, int rank)
{
	const struct fy_channel *ch = run->p[rank]->link.channels[1 - rank];
	return ch ? ch->gone : 0;
}

/* ---- tests ------------------------------------------------------------------- */

static uint64_t n_damaged, n_seeds;

/* A few seeds have chunks that repeat their tags, or a rendezvous for everything. */
static struct fy_sim_options network(uint64_t seed)
{
	return (struct fy_sim_options){ .eager_max = seed % 3 ? 1 << 30 : 8192,
		                        .tag_max = seed % 5 ? 64 : 3,
		                        .chunk_max = seed % 2 ? 1 << 14 : 1 << 20 };
}

static void damage_one(uint64_t seed)
{
	struct run run;
	begin(&run, seed, 1, network(seed));
	int at = (int)pick(&run, 2);
	fy_sim_damage(run.sim, at, pick(&run, 2), pick(&run, 10), 1);
	work(&run);
	bool damaged = fy_sim_stats(run.sim)->damaged;
	HOLDS(&run, gone(&run, at) == (damaged ? FERRY_EDECODE : 0));
	HOLDS(&run, gone(&run, 1 - at) == (damaged ? FERRY_EPEER : 0));
	unsigned failed = settle_futures(&run);
	HOLDS(&run, run.wrong == 0);
	HOLDS(&run, damaged || !failed);
	n_damaged += damaged;
	end(&run);
}

static void damage_is_found(void **state)
{
	unsigned long only = t_env("FERRY_SEED", 0), seeds = only ? 1 : t_seeds(300);
	(void)state;
	for (unsigned long i = 1; i <= seeds; i++) {
		uint64_t seed = only ? only : i;
		damage_one(seed);
		n_seeds++;
	}
	printf("# %llu seeds, damage in %llu\n", (unsigned long long)n_seeds,
	       (unsigned long long)n_damaged);
	if (seeds >= 20)
		assert_true(2 * n_damaged > n_seeds);
}

/* Every message is damaged with the same chance, those of a rank that gives up included. */
static void much_damage_is_found(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= t_scaled(100); seed++) {
		struct run run;
		struct fy_sim_options net = network(seed);
		net.damage_ppm = 100000;
		begin(&run, seed, 1, net);
		work(&run);
		bool damaged = fy_sim_stats(run.sim)->damaged;
		HOLDS(&run, damaged == (gone(&run, 0) || gone(&run, 1)));
		settle_futures(&run);
		HOLDS(&run, run.wrong == 0);
		end(&run);
	}
}

static void a_network_that_is_whole_loses_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= t_scaled(50); seed++) {
		struct run run;
		begin(&run, seed, 1, network(seed));
		work(&run);
		HOLDS(&run, settle_futures(&run) == 0);
		HOLDS(&run, run.wrong == 0);
		HOLDS(&run, run.n_futures == MESSAGES && run.delivered >= MESSAGES);
		HOLDS(&run, !gone(&run, 0) && !gone(&run, 1));
		end(&run);
	}
}

/* The test can fail: without the option, wrong bytes come to handlers. */
static void without_the_option_damage_is_not_found(void **state)
{
	unsigned wrong = 0;
	(void)state;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct run run;
		begin(&run, seed, 0, network(seed));
		fy_sim_damage(run.sim, 1, true, pick(&run, 10), 1);
		work(&run);
		settle_futures(&run);
		wrong += run.wrong;
		end(&run);
	}
	assert_true(wrong > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage_is_found),
		cmocka_unit_test(much_damage_is_found),
		cmocka_unit_test(a_network_that_is_whole_loses_nothing),
		cmocka_unit_test(without_the_option_damage_is_not_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
