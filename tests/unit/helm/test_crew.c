/* SPDX-License-Identifier: Apache-2.0 */
/* The crew, word by word. tests/sim/crews.c has it in any order. */
#include "support/test.h"

#include "base/bits.h"
#include "ferry.h"
#include "helm/crew.h"

enum { TIMEOUT = 1200, RANKS = 4, WORD_BYTES = 64 };

static struct fy_crew crews[RANKS];
static bool dead[RANKS]; /* words to it and from it get lost */

static int begin(void **state)
{
	(void)state;
	for (int rank = 0; rank < RANKS; rank++) {
		assert_int_equal(fy_crew_open(&crews[rank], rank, RANKS, TIMEOUT), FERRY_OK);
		dead[rank] = false;
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (int rank = 0; rank < RANKS; rank++)
		fy_crew_free(&crews[rank]);
	return 0;
}

/* Bring the words that are due from one rank to another one. */
static void carry(int from, int to)
{
	char bytes[WORD_BYTES];
	size_t nbytes;

	while ((nbytes = fy_crew_write(&crews[from], to, bytes)) != 0)
		if (!dead[from] && !dead[to])
			assert_true(fy_crew_hear(&crews[to], from, bytes, nbytes));
}

static void carry_all(void)
{
	for (int round = 0; round < 8; round++)
		for (int from = 0; from < RANKS; from++)
			for (int to = 0; to < RANKS; to++)
				carry(from, to);
}

static void step_all(int64_t time)
{
	for (int rank = 0; rank < RANKS; rank++)
		if (!dead[rank])
			fy_crew_step(&crews[rank], time);
	carry_all();
}

static void assert_crew(int rank, uint32_t number, uint64_t members)
{
	assert_int_equal(crews[rank].stop, FY_CREW_GOES_ON);
	assert_int_equal(crews[rank].now.number, number);
	assert_int_equal(crews[rank].now.members[0], members);
}

static void malformed_words_are_refused(void **state)
{
	struct {
		struct fy_crew_word word;
		uint64_t sets[4];
	} w = { .word = { .kind = FY_CREW_ASK } };
	struct fy_crew *c = &crews[0];

	(void)state;
	assert_false(fy_crew_hear(c, 1, &w, 8));
	assert_false(fy_crew_hear(c, 1, &w, 32));
	assert_false(fy_crew_hear(c, 1, &w, 48));
	w.sets[0] = 0x10; /* there is no such rank */
	assert_false(fy_crew_hear(c, 1, &w, 40));
	w.sets[0] = 0;
	w.word.kind = FY_CREW_KINDS;
	assert_false(fy_crew_hear(c, 1, &w, 40));
	w.word.kind = FY_CREW_ANSWER;
	assert_false(fy_crew_hear(c, 1, &w, 40));
	assert_int_equal(c->n_due, 0);
	w.word.kind = FY_CREW_ASK;
	assert_true(fy_crew_hear(c, 1, &w, 40));
	assert_int_equal(c->n_due, 1);
}

static void who_is_named_goes_at_once(void **state)
{
	(void)state;
	fy_crew_set_dead(&crews[2], 3);
	step_all(1);
	for (int rank = 0; rank < 3; rank++)
		assert_crew(rank, 1, 0x7);
	assert_int_equal(crews[3].stop, FY_CREW_EXCLUDED);
}

/* Nobody blames a rank for what another one says of it. */
static void one_accusation_of_a_rank_that_all_hear(void **state)
{
	(void)state;
	fy_crew_set_silent(&crews[1], 2, true);
	step_all(1); /* 0 asks; 1 does not hear 2 */
	fy_crew_set_silent(&crews[1], 2, false);
	step_all(TIMEOUT / 12 + 1);
	for (int rank = 0; rank < RANKS; rank++) {
		assert_crew(rank, 0, 0xF);
		assert_int_equal(crews[rank].phase, FY_CREW_QUIET);
	}
}

/* 1 cannot answer for long, and lives: what 3's death ends waits for it. */
static void who_is_late_is_waited_for(void **state)
{
	(void)state;
	dead[1] = dead[3] = true;
	fy_crew_set_late(&crews[0], 1, true);
	fy_crew_set_late(&crews[2], 1, true);
	fy_crew_set_dead(&crews[0], 3);
	for (int64_t time = 1; time < 10 * TIMEOUT; time += TIMEOUT / 12)
		step_all(time);
	for (int rank = 0; rank < 3; rank++)
		assert_crew(rank, 0, 0xF);
	dead[1] = false;
	fy_crew_set_late(&crews[0], 1, false);
	fy_crew_set_late(&crews[2], 1, false);
	for (int64_t time = 10 * TIMEOUT; time < 12 * TIMEOUT; time += TIMEOUT / 12)
		step_all(time);
	for (int rank = 0; rank < 3; rank++)
		assert_crew(rank, 1, 0x7);
}

/* It does not come back: its process was stopped while it was late. */
static void who_is_late_no_more_goes_too(void **state)
{
	(void)state;
	dead[1] = dead[3] = true;
	fy_crew_set_late(&crews[0], 1, true);
	fy_crew_set_dead(&crews[0], 3);
	for (int64_t time = 1; time < TIMEOUT; time += TIMEOUT / 12)
		step_all(time);
	fy_crew_set_late(&crews[0], 1, false);
	for (int64_t time = TIMEOUT; time < 3 * TIMEOUT; time += TIMEOUT / 12)
		step_all(time);
	assert_crew(0, 1, 0x5);
	assert_crew(2, 1, 0x5);
}

/* A second death is proved while answers, or acceptances, are awaited: no timeout passes. */
static void a_second_death_that_is_proved(void **state)
{
	(void)state;
	dead[1] = dead[3] = true;
	fy_crew_set_dead(&crews[0], 3);
	step_all(1);
	assert_crew(0, 0, 0xF);
	fy_crew_set_dead(&crews[0], 1);
	step_all(2);
	assert_crew(0, 1, 0x5);
	assert_crew(2, 1, 0x5);
}

static void who_dies_before_it_accepts(void **state)
{
	(void)state;
	dead[3] = true;
	fy_crew_set_dead(&crews[0], 3);
	fy_crew_step(&crews[0], 1);
	for (int to = 1; to < 3; to++) { /* asks, and is answered */
		carry(0, to);
		carry(to, 0);
	}
	assert_int_equal(crews[0].phase, FY_CREW_PROPOSING);
	dead[1] = true;
	fy_crew_set_dead(&crews[0], 1);
	step_all(2);
	assert_crew(0, 2, 0x5); /* and no crew 1, which 1 never accepted */
	assert_crew(2, 2, 0x5);
}

/* 1 goes on not hearing 2: the higher one of the pair goes, because as much is said of either. */
static void a_pair_that_does_not_hear_each_other(void **state)
{
	(void)state;
	fy_crew_set_silent(&crews[1], 2, true);
	for (int64_t time = 1; time < TIMEOUT; time += TIMEOUT / 12)
		step_all(time);
	for (int rank = 0; rank < RANKS; rank++)
		if (rank != 2)
			assert_crew(rank, 1, 0xB);
	assert_int_equal(crews[2].stop, FY_CREW_EXCLUDED);
}

/* What most reports are about goes, though it is the lower one. */
static void a_rank_that_two_do_not_hear(void **state)
{
	(void)state;
	fy_crew_set_broken(&crews[2], 1);
	fy_crew_set_silent(&crews[3], 1, true);
	for (int64_t time = 1; time < TIMEOUT; time += TIMEOUT / 12)
		step_all(time);
	for (int rank = 0; rank < RANKS; rank++)
		if (rank != 1)
			assert_crew(rank, 1, 0xD);
}

/* 0 proposes to leave 3 out, all accept, 0 tells 1 alone and dies. The others complete it. */
static void a_coordinator_dies_between_two_commits(void **state)
{
	(void)state;
	dead[3] = true;
	fy_crew_set_dead(&crews[0], 3);
	fy_crew_step(&crews[0], 1);
	carry(0, 1);
	carry(0, 2);
	carry(1, 0);
	carry(2, 0); /* which proposes */
	carry(0, 1);
	carry(0, 2);
	carry(1, 0);
	carry(2, 0); /* which commits */
	assert_crew(0, 1, 0x7);
	carry(0, 1);
	assert_crew(1, 1, 0x7);
	dead[0] = true;
	assert_crew(2, 0, 0xF);
	for (int64_t time = 2; time < TIMEOUT; time += TIMEOUT / 12)
		step_all(time);
	/* 2 waited in vain and asked; 1 told it. Nobody has missed 0 yet */
	assert_crew(1, 1, 0x7);
	assert_crew(2, 1, 0x7);
	fy_crew_set_silent(&crews[2], 0, true);
	for (int64_t time = TIMEOUT; time < 2 * TIMEOUT; time += TIMEOUT / 12)
		step_all(time);
	assert_crew(1, 2, 0x6);
	assert_crew(2, 2, 0x6);
}

/* Nobody was told, but all had accepted: perhaps 0 went on with it, so its number is used up. */
static void a_coordinator_dies_before_the_commit(void **state)
{
	(void)state;
	dead[3] = true;
	fy_crew_set_dead(&crews[0], 3);
	fy_crew_step(&crews[0], 1);
	carry(0, 1);
	carry(0, 2);
	carry(1, 0);
	carry(2, 0);
	carry(0, 1);
	carry(0, 2);
	dead[0] = true;
	for (int64_t time = 2; time < 2 * TIMEOUT; time += TIMEOUT / 12)
		step_all(time);
	for (int rank = 1; rank < 3; rank++)
		assert_crew(rank, 2, 0x6);
}

/* A rank that was left out while it slept is told when it says anything. */
static void who_wakes_up_is_told(void **state)
{
	(void)state;
	dead[3] = true;
	fy_crew_set_dead(&crews[0], 3);
	step_all(1);
	dead[3] = false;
	assert_int_equal(crews[3].stop, FY_CREW_GOES_ON);
	assert_false(fy_crew_is_member(&crews[1], 3));
	fy_crew_tell(&crews[1], 3);
	carry(1, 3);
	assert_int_equal(crews[3].stop, FY_CREW_EXCLUDED);
}

/* All others are silent: perhaps this rank does not hear. It stops, unless a death is known. */
static void who_hears_nobody_stops(void **state)
{
	(void)state;
	for (int known = 0; known < 2; known++) {
		struct fy_crew *c = &crews[known];
		for (int rank = 0; rank < RANKS; rank++)
			if (rank != known)
				fy_crew_set_silent(c, rank, true);
		if (known)
			fy_crew_set_dead(c, 3);
		for (int64_t time = 1; time < TIMEOUT; time += TIMEOUT / 12)
			fy_crew_step(c, time);
	}
	assert_int_equal(crews[0].stop, FY_CREW_DEAF);
	assert_crew(1, 1, 0x2);
}

static void of_two_ranks_each_goes_on_alone(void **state)
{
	struct fy_crew two;

	(void)state;
	for (int quorum = 0; quorum < 2; quorum++) {
		assert_int_equal(fy_crew_open(&two, 1, 2, TIMEOUT), FERRY_OK);
		two.quorum = quorum;
		fy_crew_set_silent(&two, 0, true);
		for (int64_t time = 1; time < TIMEOUT; time += TIMEOUT / 12)
			fy_crew_step(&two, time);
		assert_int_equal(two.stop, quorum ? FY_CREW_NO_QUORUM : FY_CREW_GOES_ON);
		assert_int_equal(two.now.members[0], quorum ? 0x3 : 0x2);
		fy_crew_free(&two);
	}
}

static void sets_of_many_ranks(void **state)
{
	uint64_t set[3] = { 0 };
	int n = 0;

	(void)state;
	assert_int_equal(fy_bits_words(129), 3);
	fy_bits_add(set, 0);
	fy_bits_add(set, 63);
	fy_bits_add(set, 64);
	fy_bits_add(set, 128);
	fy_bits_each (i, set, 129)
		n += i;
	assert_int_equal(n, 63 + 64 + 128);
	assert_int_equal(fy_bits_count(set, 129), 4);
	assert_int_equal(fy_bits_next(set, 65, 128), 128);
	fy_bits_remove(set, 64);
	assert_false(fy_bits_has(set, 64));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(malformed_words_are_refused),
		CASE(who_is_named_goes_at_once),
		CASE(one_accusation_of_a_rank_that_all_hear),
		CASE(a_pair_that_does_not_hear_each_other),
		CASE(a_rank_that_two_do_not_hear),
		CASE(a_coordinator_dies_between_two_commits),
		CASE(a_coordinator_dies_before_the_commit),
		CASE(who_wakes_up_is_told),
		CASE(who_hears_nobody_stops),
		CASE(who_is_late_is_waited_for),
		CASE(who_is_late_no_more_goes_too),
		CASE(a_second_death_that_is_proved),
		CASE(who_dies_before_it_accepts),
		cmocka_unit_test(of_two_ranks_each_goes_on_alone),
		cmocka_unit_test(sets_of_many_ranks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
