/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many seeds of a mixed workload, a tenth of them again with memory that is short. FERRY_SEEDS says
 * how many (300 in make check, 10,000 in make stress), FERRY_SEED or an argument names one.
 */
#include "digest.h"
#include "world.h"
#include "base/log.h"
#include "helm/progress.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "shared/message.h"

#include <fcntl.h>

#include <stdlib.h>

static unsigned long only_seed;

static void add(struct tally *sum, const struct tally *one)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)one;
	for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
		to[i] += from[i];
}

static void print(const struct tally *t, unsigned long seeds)
{
#define SHOW(field) printf("# %14llu " #field "\n", (unsigned long long)t->field)
	printf("# %14lu seeds\n", seeds);
	SHOW(records);
	SHOW(delivered);
	SHOW(lane_full);
	SHOW(credit_out);
	SHOW(channel_full);
	SHOW(grants_waited);
	SHOW(seq_wrapped);
	SHOW(tag_wrapped);
	SHOW(close_outstanding);
	SHOW(fences);
	SHOW(flushes);
	SHOW(cancelled);
	SHOW(timed_out);
	SHOW(unsent);
	SHOW(late_replies);
	SHOW(nohandler);
	SHOW(stopped_calls);
	SHOW(dropped);
	SHOW(refused);
	SHOW(failed);
	SHOW(failed_chunks);
	SHOW(deferred);
	SHOW(refused_sends);
	SHOW(rendezvous);
	SHOW(overtaken);
	SHOW(body_full);
	SHOW(read_again);
#undef SHOW
}

/* short_one_in: of the helm's allocations one in so many fails; 0: none. */
static bool run_world(struct world *w, uint64_t seed, unsigned short_one_in)
{
	if (!short_one_in)
		return w_run(w, seed);
	struct plan plan;
	w->random = seed;
	w_plan(w, &plan);
	plan.short_one_in = short_one_in;
	return w_run_plan(w, seed, &plan);
}

static void run_seed(uint64_t seed, unsigned short_one_in, struct tally *sum)
{
	struct world *w = calloc(1, sizeof *w);
	assert_non_null(w);
	bool good = run_world(w, seed, short_one_in);
	if (!good) {
		printf("# seed %llu: %s\n# %d ranks of %d lanes; again with FERRY_SEED=%llu\n",
		       (unsigned long long)seed, w->failure, w->plan.ranks, w->plan.lanes,
		       (unsigned long long)seed);
		fflush(stdout);
		fail_msg("seed %llu: %s", (unsigned long long)seed, w->failure);
	}
	if (w->tally.records < 1000 && !w->plan.early_close)
		fail_msg("seed %llu: only %llu records", (unsigned long long)seed,
		         (unsigned long long)w->tally.records);
	add(sum, &w->tally);
	t_digest(short_one_in ? "short" : "mixed", seed, w->sim);
	w_free(w);
	free(w);
}

/* What a batch of seeds must have met, or it shows less than it seems to. */
static void assert_met(const struct tally *t)
{
	assert_true(t->lane_full > 0);
	assert_true(t->credit_out > 0);
	assert_true(t->grants_waited > 0);
	assert_true(t->seq_wrapped > 0);
	assert_true(t->tag_wrapped > 0);
	assert_true(t->close_outstanding > 0);
	assert_true(t->channel_full > 0);
	assert_true(t->fences > 0);
	assert_true(t->deferred > 0);
	assert_true(t->refused > 0);
	assert_true(t->refused_sends > 0);
	assert_true(t->failed > 0);
	assert_true(t->rendezvous > 0);
	assert_true(t->body_full > 0);
}

static void mixed(void **state)
{
	(void)state;
	struct tally sum = { 0 };
	unsigned long seeds = only_seed ? 1 : t_seeds(300), first = t_env("FERRY_FIRST_SEED", 1);
	for (unsigned long i = 0; i < seeds; i++)
		run_seed(only_seed ? only_seed : first + i, 0, &sum);
	print(&sum, seeds);
	if (seeds >= 20)
		assert_met(&sum);
}

/* The same while the helm finds no memory now and then, in some runs every second time. */
static void short_of_memory(void **state)
{
	static const unsigned one_in[] = { 2, 5, 20, 100 };
	(void)state;
	struct tally sum = { 0 };
	unsigned long seeds = only_seed ? 1 : (t_seeds(300) + 9) / 10,
		      first = t_env("FERRY_FIRST_SEED", 1);
	for (unsigned long i = 0; i < seeds; i++) {
		uint64_t seed = only_seed ? only_seed : first + i;
		run_seed(seed, one_in[seed % 4], &sum);
	}
	printf("# %llu allocations failed\n", (unsigned long long)sum.no_memory);
	assert_true(sum.no_memory > 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(mixed),
		                            cmocka_unit_test(short_of_memory) };
	/* of what nobody reads there is much */
	fy_log_say_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	only_seed = argc > 1 ? strtoul(argv[1], NULL, 0) : t_env("FERRY_SEED", 0);
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
