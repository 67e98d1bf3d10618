/* SPDX-License-Identifier: Apache-2.0 */
/* The census, over the simulated network: every rank's row comes to the root, and whoever is not
 * there holds nobody up for longer than the callers wait. */
#include "support/test.h"

#include "base/bits.h"
#include "engine/census.h"
#include "sim/net/sim.h"

#define RANKS_MAX 70 /* more than a word of a set has bits */

struct scene {
	fy_sim *sim;
	int ranks, root;
	uint64_t members[2];
	struct fy_census *of[RANKS_MAX];
	bool over[RANKS_MAX];
};

static struct fy_census_row row_of(int rank)
{
	struct fy_census_row row = { .stats.posts = 1000 + (uint64_t)rank };
	fy_left_add(&row.left, FY_LEFT_RETAINED, (uint32_t)rank, FERRY_ANY, 3);
	fy_census_sign(&row);
	return row;
}

static void create(struct scene *s, int ranks, int root, uint64_t seed)
{
	struct fy_sim_options options = { .count_misuse = true };
	*s = (struct scene){ .ranks = ranks, .root = root };
	s->sim = fy_sim_create(ranks, seed, &options);
	assert_non_null(s->sim);
	for (int rank = 0; rank < ranks; rank++)
		fy_bits_add(s->members, rank);
}

static void begin(struct scene *s, int rank)
{
	struct fy_census_row row = row_of(rank);
	s->of[rank] = fy_census_begin(fy_sim_port(s->sim, rank), s->root, s->members, &row);
	assert_non_null(s->of[rank]);
}

/* Until nothing moves any more. */
static void run(struct scene *s)
{
	bool moves = true;
	for (int turns = 0; moves && turns < 100000; turns++) {
		for (int rank = 0; rank < s->ranks; rank++)
			if (s->of[rank] && !s->over[rank])
				s->over[rank] = fy_census_step(s->of[rank]);
		moves = fy_sim_advance(s->sim);
	}
	assert_false(moves);
}

static void finish(struct scene *s)
{
	assert_int_equal(fy_sim_stats(s->sim)->misuses, 0);
	for (int rank = 0; rank < s->ranks; rank++)
		fy_census_free(s->of[rank]);
	fy_sim_destroy(s->sim);
}

static const struct fy_census_row *row_at_root(const struct scene *s, int rank)
{
	return &fy_census_rows(s->of[s->root])[rank];
}

static void has_row(const struct scene *s, int rank)
{
	struct fy_census_row wanted = row_of(rank);
	assert_memory_equal(row_at_root(s, rank), &wanted, sizeof wanted);
}

static void every_row_comes_to_the_root(void **state)
{
	static const int ranks[] = { 1, 2, 3, 8, RANKS_MAX };
	(void)state;
	for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
		for (uint64_t seed = 1; seed <= t_seeds(10); seed++) {
			struct scene s;
			create(&s, ranks[i], (int)(seed % (uint64_t)ranks[i]), seed);
			for (int rank = 0; rank < s.ranks; rank++)
				begin(&s, rank);
			run(&s);
			for (int rank = 0; rank < s.ranks; rank++) {
				assert_true(s.over[rank]);
				has_row(&s, rank);
				if (rank != s.root) {
					assert_true(fy_census_was_taken(s.of[rank]));
					assert_null(fy_census_rows(s.of[rank]));
				}
			}
			assert_int_equal(fy_sim_outstanding(s.sim, FY_PORT_ANY), 0);
			finish(&s);
		}
}

static void a_rank_that_comes_late_is_taken(void **state)
{
	(void)state;
	struct scene s;
	create(&s, 3, 0, 1);
	begin(&s, 1);
	run(&s);
	assert_false(s.over[1]);
	begin(&s, 0);
	run(&s);
	assert_true(s.over[1] && !s.over[0]);
	begin(&s, 2);
	run(&s);
	assert_true(s.over[0] && s.over[2]);
	has_row(&s, 1);
	has_row(&s, 2);
	finish(&s);
}

static void the_root_gives_up_who_does_not_come(void **state)
{
	(void)state;
	struct scene s;
	create(&s, 4, 0, 1);
	for (int rank = 0; rank < 3; rank++)
		begin(&s, rank);
	run(&s);
	assert_false(s.over[0]);
	assert_true(s.over[1] && s.over[2]);
	fy_census_give_up(s.of[0]);
	run(&s);
	assert_true(s.over[0]);
	has_row(&s, 2);
	assert_int_equal(row_at_root(&s, 3)->magic, 0);
	assert_int_equal(fy_sim_outstanding(s.sim, FY_PORT_ANY), 0);
	finish(&s);
}

static void without_a_root_a_rank_gives_up(void **state)
{
	(void)state;
	struct scene s;
	create(&s, 2, 0, 1);
	begin(&s, 1);
	run(&s);
	assert_false(s.over[1]);
	fy_census_give_up(s.of[1]);
	run(&s);
	assert_true(s.over[1]);
	assert_false(fy_census_was_taken(s.of[1]));
	assert_int_equal(fy_sim_outstanding(s.sim, FY_PORT_ANY), 0);
	finish(&s);
}

/* Ranks that are gone are no members: nobody waits for them, and what they send is not taken. */
static void only_members_take_part(void **state)
{
	(void)state;
	struct scene s;
	create(&s, 4, 1, 1);
	begin(&s, 0); /* it does not know that it is left out */
	fy_bits_remove(s.members, 0);
	fy_bits_remove(s.members, 2);
	begin(&s, 1);
	begin(&s, 3);
	run(&s);
	assert_true(s.over[1] && s.over[3]);
	assert_false(fy_census_was_taken(s.of[0]));
	assert_int_equal(row_at_root(&s, 0)->magic, 0);
	assert_int_equal(row_at_root(&s, 2)->magic, 0);
	has_row(&s, 3);
	fy_census_give_up(s.of[0]);
	run(&s);
	finish(&s);
}

/* Bytes that are no row: each is wrong in one thing. */
static void what_is_no_row_is_not_taken(void **state)
{
	(void)state;
	struct fy_census_row rows[5];
	for (int i = 0; i < 5; i++)
		rows[i] = row_of(1);
	rows[0].magic++;
	rows[1].nbytes--;
	rows[2].left.n = FY_LEFT_NAMED + 1;
	rows[3].left.of[0].what = FY_LEFT_KINDS;
	for (int i = 0; i < 5; i++) {
		struct scene s;
		fy_request request;
		create(&s, 2, 0, 1);
		begin(&s, 0);
		fy_port *port = fy_sim_port(s.sim, 1);
		size_t nbytes = i < 4 ? sizeof rows[i] : sizeof rows[i] - 8;
		assert_int_equal(port->ops->send(port, 0, port->tag_max, &rows[i], nbytes,
		                                 &request),
		                 0);
		run(&s);
		assert_true(port->ops->test(port, &request));
		assert_false(s.over[0]);
		assert_int_equal(row_at_root(&s, 1)->magic, 0);
		fy_census_give_up(s.of[0]);
		run(&s);
		assert_true(s.over[0]);
		finish(&s);
	}
}

static void a_network_that_refuses_ends_it(void **state)
{
	(void)state;
	struct scene s;
	create(&s, 2, 0, 1);
	fy_sim_refuse(s.sim, 1, 1000);
	begin(&s, 1);
	run(&s);
	assert_true(s.over[1]);
	assert_false(fy_census_was_taken(s.of[1]));
	fy_sim_refuse_receives(s.sim, 0, 1000);
	begin(&s, 0);
	run(&s);
	for (int i = 0; i < 1000 && !s.over[0]; i++)
		s.over[0] = fy_census_step(s.of[0]);
	assert_true(s.over[0]);
	assert_int_equal(row_at_root(&s, 1)->magic, 0);
	finish(&s);
}

/* A receive that cannot be taken back keeps its memory. */
static void memory_that_the_network_has_is_not_freed(void **state)
{
	(void)state;
	struct scene s;
	create(&s, 2, 0, 1);
	begin(&s, 1);
	run(&s);
	fy_sim_refuse_cancels(s.sim, 1, 1000);
	fy_census_give_up(s.of[1]);
	run(&s);
	assert_false(s.over[1]);
	fy_census_free(s.of[1]);
	s.of[1] = NULL;
	begin(&s, 0); /* its word comes into that memory */
	run(&s);
	assert_true(s.over[0]);
	has_row(&s, 1);
	finish(&s);
}

static void what_was_left_is_counted_together(void **state)
{
	(void)state;
	struct fy_left left = { 0 };
	for (uint32_t op = 0; op < 30; op++)
		for (int i = 0; i < 2; i++)
			fy_left_add(&left, FY_LEFT_UNTAKEN, op, 5, 10);
	assert_int_equal(left.n, FY_LEFT_NAMED);
	assert_int_equal(left.of[3].count, 20);
	assert_int_equal(left.of[3].op, 3);
	assert_int_equal(left.of[3].rank, 5);
	assert_int_equal(left.more, (30 - FY_LEFT_NAMED) * 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_comes_to_the_root),
		cmocka_unit_test(a_rank_that_comes_late_is_taken),
		cmocka_unit_test(the_root_gives_up_who_does_not_come),
		cmocka_unit_test(without_a_root_a_rank_gives_up),
		cmocka_unit_test(only_members_take_part),
		cmocka_unit_test(what_is_no_row_is_not_taken),
		cmocka_unit_test(a_network_that_refuses_ends_it),
		cmocka_unit_test(memory_that_the_network_has_is_not_freed),
		cmocka_unit_test(what_was_left_is_counted_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
