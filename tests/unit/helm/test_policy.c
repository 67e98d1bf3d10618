/* SPDX-License-Identifier: Apache-2.0 */
/* The policy: what it decides, one row a decision; what its table says; what the environment
 * changes. */
#include "test.h"

#include "base/option.h"
#include "helm/policy.h"
#include "shared/habit.h"
#include "shared/policy_table.h"

#define US FERRY_US(1)
#define MS FERRY_MS(1)

static int clear_environment(void **state)
{
	(void)state;
	size_t count;
	const struct fy_policy_parameter *table = fy_policy_table(&count);
	for (size_t i = 0; i < count; i++) {
		char name[FY_OPTION_NAME];
		fy_option_variable(&table[i].option, name);
		unsetenv(name);
	}
	unsetenv("FERRY_POLICY_YELD");
	return 0;
}

static struct fy_policy chosen(bool crowded, bool all_local)
{
	struct fy_policy policy;
	assert_int_equal(fy_policy_table_resolve(&policy), FERRY_OK);
	fy_policy_choose(&policy, crowded, all_local, 20 * US);
	return policy;
}

/* What a row does not say: the last sleep was 50 us, and nothing else is to come. */
static struct fy_signals filled(struct fy_signals s)
{
	s.idle_sleep = s.idle_sleep ? s.idle_sleep : 50 * US;
	s.sleep_max = s.sleep_max ? s.sleep_max : 10 * MS;
	s.rung_ago = s.rung_ago ? s.rung_ago : FY_NEVER;
	s.agree_in = s.agree_in ? s.agree_in : FY_NEVER;
	s.timer_in = s.timer_in ? s.timer_in : FY_NEVER;
	s.grace = s.grace ? s.grace : FY_NEVER;
	return s;
}

/* ---- promises ------------------------------------------------------------------------------
 * With what the environment says, so that each can be seen to fail without its rule. */

/* What a thread left to its wait, and what a giver did not see a sleeper for, is seen to within a
 * millisecond: doc/tuning.md, `lend`. */
static void a_post_that_nobody_announced_waits_for_a_nap(void **state)
{
	(void)state;
	struct fy_policy policy = chosen(false, true);
	struct fy_signals s = { .all_local = true,
		                .nap = true,
		                .rung_ago = FY_NEVER,
		                .agree_in = FY_NEVER,
		                .timer_in = FY_NEVER,
		                .grace = FY_NEVER };
	assert_true(fy_policy_sleep(&policy, &s).time <= MS);
	int64_t nap = policy.idle.nap;
	for (int i = 0; i < 20; i++)
		assert_true((nap = fy_policy_stand_by(&policy, nap)) <= MS);
}

/* A lane is 128 KiB: what is posted meanwhile is for the next step. */
static void a_drain_ends_however_much_is_posted(void **state)
{
	(void)state;
	struct fy_policy policy = chosen(false, true);
	struct fy_signals s = { .gives_way = false };
	assert_true(fy_policy_drain_bytes(&policy, &s) <= 128 << 10);
	s.gives_way = s.a_lane_floods = true;
	assert_true(fy_policy_drain_bytes(&policy, &s) <= 128 << 10);
}

/* One that MPI does not end keeps no message behind it for long. */
static void each_receive_is_tested_in_time(void **state)
{
	(void)state;
	struct fy_policy policy = chosen(false, true);
	struct fy_signals s = { .receives = 16 };
	unsigned all = 0;
	for (s.steps = 1; s.steps <= 200; s.steps++)
		all += fy_policy_look_ahead(&policy, &s) == 16;
	assert_true(all >= 2);
}

/* Where all ranks ring nobody has to look. These sleeps are for a ring that says less than it
 * should: a message that comes behind its ring, one whose ring was missed, and MPI messages of the
 * program, for which nobody rings. */
static void rings_are_not_trusted_for_long(void **state)
{
	(void)state;
	struct fy_policy policy = chosen(false, true);
	struct fy_signals s = filled((struct fy_signals){ .all_local = true });
	assert_true(fy_policy_sleep(&policy, &s).time <= 100 * MS);
	s.rung_ago = MS;
	assert_true(fy_policy_sleep(&policy, &s).time <= MS);
	s.rung_ago = FY_NEVER;
	s.awaited = true;
	assert_true(fy_policy_sleep(&policy, &s).time <= 5 * MS);
	s.awaited = false;
	s.starts = true;
	s.idle_sleep = 5 * MS;
	assert_true(fy_policy_sleep(&policy, &s).time <= MS);
}

/* ---- decisions ------------------------------------------------------------------------------- */

#define ITS_TIME .company.yields = true
#define STRANGER .company.stranger = true
#define BY_ITSELF .company.drives_alone = true
#define ITS_TURN .company.turn = true, .company.yields = true
#define FAST .large = { true, 0, 250 * US, false }
#define SLOW .large = { true, 0, 250 * US + 2, false }

static void idle(void **state)
{
	static const struct {
		bool crowded, all_local;
		struct fy_signals s;
		enum fy_idle does;
	} rows[] = {
		{ false, true, { .idle_for = 0 }, FY_IDLE_SPIN },
		{ false, true, { .idle_for = 20 * US - 1 }, FY_IDLE_SPIN },
		{ false, true, { .idle_for = 20 * US }, FY_IDLE_SPIN },
		{ false, true, { .idle_for = 20 * US, ITS_TIME }, FY_IDLE_YIELD },
		{ false, true, { .idle_for = 120 * US - 1, ITS_TIME }, FY_IDLE_YIELD },
		/* with a stranger: within the own slice */
		{ false, true, { .idle_for = 40 * US - 1, STRANGER }, FY_IDLE_SPIN },
		{ false, true, { .idle_for = 40 * US, STRANGER }, FY_IDLE_NAP },
		{ true, true, { .idle_for = 5 * US - 1, STRANGER }, FY_IDLE_SPIN },
		{ false, true, { .idle_for = 120 * US }, FY_IDLE_NAP },
		{ false, true, { .idle_for = 120 * US, .napped = true }, FY_IDLE_SLEEP },
		{ true, true, { .idle_for = 0, ITS_TIME }, FY_IDLE_YIELD },
		{ true, true, { .idle_for = 5 * US }, FY_IDLE_NAP },
		/* on the wire */
		{ false, false, { .idle_for = 0, .under_way = true }, FY_IDLE_SPIN },
		{ false, false, { .idle_for = 20 * US, ITS_TIME }, FY_IDLE_YIELD },
		{ false, false, { .idle_for = 20 * US, .under_way = true }, FY_IDLE_NAP },
		{ false,
		  false,
		  { .idle_for = 20 * US, .under_way = true, .calls = true, ITS_TIME },
		  FY_IDLE_YIELD },
		{ false,
		  true,
		  { .idle_for = 20 * US, .under_way = true, ITS_TIME },
		  FY_IDLE_YIELD },
		{ false,
		  false,
		  { .idle_for = MS, .under_way = true, .napped = true },
		  FY_IDLE_NAP },
		{ false,
		  false,
		  { .idle_for = MS, .under_way = true, .calls = true, .napped = true },
		  FY_IDLE_NAP },
		{ false, false, { .idle_for = MS, .napped = true }, FY_IDLE_SLEEP },
		/* large messages on the wire */
		{ false,
		  false,
		  { .idle_for = MS, .under_way = true, FAST, ITS_TIME },
		  FY_IDLE_YIELD },
		{ false,
		  false,
		  { .idle_for = 2020 * US - 1, FAST, ITS_TIME, .napped = true },
		  FY_IDLE_YIELD },
		{ false, false, { .idle_for = 2020 * US, .under_way = true, FAST }, FY_IDLE_NAP },
		{ false,
		  false,
		  { .idle_for = MS, .large = { true, 300 * US - 1, 0, false }, ITS_TIME },
		  FY_IDLE_YIELD },
		{ false,
		  false,
		  { .idle_for = MS, .large = { true, 300 * US, 0, false } },
		  FY_IDLE_NAP },
		{ false, false, { .idle_for = 20 * US, .under_way = true, SLOW }, FY_IDLE_NAP },
		{ true, false, { .idle_for = 5 * US - 1, FAST, ITS_TIME }, FY_IDLE_YIELD },
		{ true, false, { .idle_for = 5 * US, FAST }, FY_IDLE_NAP },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct fy_policy policy = chosen(rows[i].crowded, rows[i].all_local);
		struct fy_signals s = rows[i].s;
		s.all_local = rows[i].all_local;
		if (fy_policy_idle(&policy, &s) != rows[i].does)
			fail_msg("row %zu: %d instead of %d", i, fy_policy_idle(&policy, &s),
			         rows[i].does);
	}
}

#define HERE .all_local = true

static void sleep_times(void **state)
{
	static const struct {
		struct fy_signals s;
		int64_t time, next;
	} rows[] = {
		/* nothing: longer and longer, up to the option */
		{ { .all_local = false }, 50 * US, 100 * US },
		{ { .idle_sleep = 8 * MS }, 8 * MS, 10 * MS },
		{ { .idle_sleep = 10 * MS }, 10 * MS, 10 * MS },
		{ { HERE }, 100 * MS, 100 * US },
		/* under way */
		{ { HERE, .under_way = true }, 50 * US, 100 * US },
		{ { HERE, .under_way = true, .calls = true, .awaited = true }, 50 * US, 100 * US },
		{ { .under_way = true }, 50 * US, 100 * US },
		{ { .under_way = true, .idle_sleep = 400 * US }, 400 * US, 500 * US },
		{ { .under_way = true, .calls = true, .awaited = true }, 50 * US, 50 * US },
		/* large messages on the wire */
		{ { .under_way = true, .idle_sleep = 400 * US, FAST }, 400 * US, 500 * US },
		{ { .under_way = true, .idle_sleep = 400 * US, SLOW }, 125 * US + 1, 400 * US },
		{ { .awaited = true, SLOW }, 125 * US + 1, 50 * US },
		{ { .under_way = true, .large = { true, 0, 6 * MS, false } }, 500 * US, 50 * US },
		{ { .under_way = true, .large = { true, 1, 6 * MS, false } }, 50 * US, 100 * US },
		{ { .idle_for = 5 * MS, .idle_sleep = 8 * MS, SLOW }, 8 * MS, 10 * MS },
		/* waited for */
		{ { .awaited = true, .idle_sleep = 5 * MS }, 50 * US, 5 * MS },
		{ { HERE, .awaited = true }, 5 * MS, 50 * US },
		{ { HERE, .agreeing = true }, 50 * US, 100 * US },
		{ { HERE, .agreeing = true, .idle_sleep = 80 * MS }, 80 * MS, 100 * MS },
		{ { .agreeing = true, .idle_sleep = 5 * MS }, MS, MS },
		{ { HERE, .agreeing = true, .agree_in = 7 * US }, 7 * US, 100 * US },
		{ { HERE, .agree_in = -1 }, 0, 100 * US },
		/* sooner for something else */
		{ { HERE, .starts = true }, 100 * US, 100 * US },
		{ { HERE, .starts = true, .idle_sleep = 5 * MS }, 500 * US, 10 * MS },
		{ { HERE, .rung_ago = 2 * MS - 1 }, 50 * US, 100 * US },
		{ { HERE, .rung_ago = 2 * MS }, 100 * MS, 100 * US },
		{ { HERE, .awaited = true, .broke_off = true }, 500 * US, 50 * US },
		{ { HERE, .timer_in = 30 * US }, 30 * US, 100 * US },
		{ { HERE, .timer_in = -5 }, 0, 100 * US },
		{ { HERE, .grace = 80 * US }, 10 * US, 100 * US },
		/* the option is for who polls */
		{ { HERE, .sleep_max = US }, 100 * MS, US },
		{ { HERE, .sleep_max = US, .under_way = true }, US, 100 * US },
		{ { .sleep_max = US, .awaited = true }, US, 50 * US },
		{ { HERE, .nap = true }, 500 * US, 100 * US },
		{ { HERE, .nap = true, .under_way = true }, 50 * US, 100 * US },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct fy_policy policy = chosen(false, rows[i].s.all_local);
		struct fy_signals s = filled(rows[i].s);
		struct fy_sleep sleep = fy_policy_sleep(&policy, &s);
		if (sleep.time != rows[i].time || sleep.next != rows[i].next)
			fail_msg("row %zu: sleeps %lld, then %lld", i, (long long)sleep.time,
			         (long long)sleep.next);
	}
}

static void stand_by_and_hand_back(void **state)
{
	(void)state;
	struct fy_policy policy = chosen(false, true);
	assert_int_equal(fy_policy_stand_by(&policy, 100 * US), 200 * US);
	assert_int_equal(fy_policy_stand_by(&policy, 700 * US), MS);
	assert_true(fy_policy_looks_soon(&policy, MS - 1));
	assert_false(fy_policy_looks_soon(&policy, MS));
}

static void drive(void **state)
{
	static const struct {
		bool crowded, all_local;
		struct fy_signals s;
		enum fy_drive does;
	} rows[] = {
		{ false, true, { .idle_for = 20 * US }, FY_DRIVE_ON },
		{ false, true, { .idle_for = 20 * US + 1 }, FY_DRIVE_LEND },
		{ false, true, { .idle_for = 50 * US }, FY_DRIVE_LEND },
		/* who drives alone keeps the helm, but for yields */
		{ false, true, { .idle_for = 50 * US, BY_ITSELF }, FY_DRIVE_ON },
		{ false, true, { .idle_for = 50 * US, BY_ITSELF, ITS_TIME }, FY_DRIVE_LEND },
		{ false, true, { .idle_for = 50 * US + 1, BY_ITSELF }, FY_DRIVE_LEAVE },
		{ true, true, { .idle_for = 20 * US, BY_ITSELF, STRANGER }, FY_DRIVE_ON },
		{ true, true, { .idle_for = 20 * US + 1, BY_ITSELF, STRANGER }, FY_DRIVE_LEAVE },
		{ false, true, { .idle_for = MS, .large.chunks = true, STRANGER }, FY_DRIVE_LEND },
		{ false, true, { .idle_for = 50 * US + 1 }, FY_DRIVE_LEAVE },
		{ false, true, { .idle_for = MS, .large.chunks = true }, FY_DRIVE_LEND },
		{ false, true, { .idle_for = MS + 1, .large.chunks = true }, FY_DRIVE_LEAVE },
		{ false,
		  true,
		  { .idle_for = MS, .large.chunks = true, .user_code = true },
		  FY_DRIVE_LEAVE },
		{ false, false, { .idle_for = 50 * US + 1, .large.chunks = true }, FY_DRIVE_LEAVE },
		{ true, true, { .idle_for = 50 * US + 1, .large.chunks = true }, FY_DRIVE_LEAVE },
		{ false, false, { .idle_for = 2 * MS, FAST }, FY_DRIVE_LEND },
		{ false, false, { .idle_for = 2 * MS + 1, FAST }, FY_DRIVE_LEAVE },
		{ false, false, { .idle_for = 20 * US, FAST, STRANGER }, FY_DRIVE_ON },
		{ false, false, { .idle_for = 20 * US + 1, FAST, STRANGER }, FY_DRIVE_LEAVE },
		{ false,
		  false,
		  { .idle_for = 20 * US + 1, .large = { true, 0, 0, true }, STRANGER },
		  FY_DRIVE_LEAVE },
		{ false, false, { .idle_for = MS, FAST, .user_code = true }, FY_DRIVE_LEAVE },
		{ false,
		  false,
		  { .idle_for = 51 * US, .large = { true, 0, 251 * US, true } },
		  FY_DRIVE_LEAVE },
		{ true, false, { .idle_for = 50 * US + 1, FAST }, FY_DRIVE_LEAVE },
		{ true, true, { .idle_for = 0 }, FY_DRIVE_ON },
		{ true, true, { .idle_for = 1 }, FY_DRIVE_LEND },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct fy_policy policy = chosen(rows[i].crowded, rows[i].all_local);
		if (fy_policy_drive(&policy, &rows[i].s) != rows[i].does)
			fail_msg("row %zu", i);
	}
}

/* A switch takes as long as an answer, unless the rank that answers needs this processor. */
static void a_driver_beside_fellows_looks_before_it_yields(void **state)
{
	struct fy_policy policy, crowded = chosen(true, true);
	struct fy_signals s = { .idle_for = 2 * US - 1, ITS_TURN };
	(void)state;
	assert_int_equal(fy_policy_table_resolve(&policy), FERRY_OK);
	fy_policy_choose(&policy, false, true, 0);
	assert_int_equal(fy_policy_drive(&policy, &s), FY_DRIVE_ON);
	assert_int_equal(fy_policy_drive(&crowded, &s), FY_DRIVE_LEND);
	s.company.turn = false;
	assert_int_equal(fy_policy_drive(&policy, &s), FY_DRIVE_LEND);
	s.company.turn = true;
	s.idle_for = 2 * US;
	assert_int_equal(fy_policy_drive(&policy, &s), FY_DRIVE_LEND);
}

static void drain(void **state)
{
	(void)state;
	struct fy_policy policy = chosen(false, true);
#define ASK(decision, ...) fy_policy_##decision(&policy, &(struct fy_signals){ __VA_ARGS__ })
	assert_true(ASK(gives_way, .awaited_ago = 0));
	assert_true(ASK(gives_way, .awaited_ago = MS - 1));
	assert_false(ASK(gives_way, .awaited_ago = MS));
	assert_false(ASK(gives_way, .awaited_ago = FY_NEVER));
	assert_false(ASK(gives_way, .awaited_ago = 0, .agreeing = true));
	assert_true(ASK(is_flood, .slept_ago = MS - 1));
	assert_false(ASK(is_flood, .slept_ago = MS));
	assert_false(ASK(is_flood, .slept_ago = FY_NEVER));
	assert_false(ASK(had_share, .share = (64 << 10) - 1));
	assert_true(ASK(had_share, .share = 64 << 10));
	assert_int_equal(ASK(drain_bytes, .a_lane_floods = true), 128 << 10);
	assert_int_equal(ASK(drain_bytes, .gives_way = true), 128 << 10);
	assert_int_equal(ASK(drain_bytes, .gives_way = true, .a_lane_floods = true), 16 << 10);
	assert_false(ASK(moves_aside, .no_room_for = MS - 1));
	assert_true(ASK(moves_aside, .no_room_for = MS));
}

static void look_ahead(void **state)
{
	static const struct {
		const char *ahead, *all;
		uint64_t steps;
		unsigned looks;
	} rows[] = {
		{ "4", "64", 1, 0 },    { "4", "64", 4, 2 },  { "4", "64", 62, 0 },
		{ "4", "64", 64, 16 },  { "4", "64", 68, 2 }, { "7", "64", 4, 2 },
		{ "1", "64", 63, 2 },   { "4", "1", 3, 16 },  { "4", "2", 2, 16 },
		{ "4", "127", 64, 16 }, { "4", "4", 4, 16 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		setenv("FERRY_POLICY_LOOK_AHEAD_STEPS", rows[i].ahead, 1);
		setenv("FERRY_POLICY_LOOK_ALL_STEPS", rows[i].all, 1);
		struct fy_policy policy = chosen(false, true);
		struct fy_signals s = { .steps = rows[i].steps, .receives = 16 };
		if (fy_policy_look_ahead(&policy, &s) != rows[i].looks)
			fail_msg("row %zu", i);
	}
	clear_environment(NULL);
}

static void receives(void **state)
{
	(void)state;
	struct fy_policy policy = chosen(false, true);
	assert_int_equal(fy_policy_receives(&policy, 1), 16);
	assert_int_equal(fy_policy_receives(&policy, 3), 24);
	assert_int_equal(fy_policy_receives(&policy, 4), 32);
	assert_int_equal(fy_policy_receives(&policy, 100000), 32);
}

static void threads_that_post(void **state)
{
	(void)state;
	struct fy_policy policy = chosen(false, true);
#define HABIT(decision, ...) fy_habit_##decision(&policy, &(struct fy_habit_signals){ __VA_ARGS__ })
	assert_int_equal(HABIT(after_post, .quick = true, .may_drive = true), FY_POST_STEERS);
	assert_int_equal(HABIT(after_post, .quick = true, .may_drive = true, .at_once = true),
	                 FY_POST_STEERS); /* nobody would look at it for long */
	assert_int_equal(HABIT(after_post, .quick = true, .may_drive = true, .at_once = true,
	                       .napping = true),
	                 FY_POST_LEAVES);
	assert_int_equal(HABIT(after_post, .quick = true, .may_drive = true, .at_once = true,
	                       .napping = true, .slow = 1),
	                 FY_POST_DRIVES);
	assert_int_equal(HABIT(after_post, .quick = true, .may_drive = true, .slow = 1),
	                 FY_POST_DRIVES);
	assert_int_equal(HABIT(after_post, .quick = true), FY_POST_WAKES);
	assert_int_equal(HABIT(after_post, .may_drive = true), FY_POST_WAKES);
	assert_false(HABIT(sleeps_without_room, .may_drive = true, .others = 16));
	assert_true(HABIT(sleeps_without_room, .may_drive = true, .others = 17));
	assert_false(HABIT(sleeps_without_room, .others = 64));
	assert_false(HABIT(sleeps_at_helm, .floods = 4));
	assert_true(HABIT(sleeps_at_helm, .floods = 5));
	policy.post.post_drives = 0;
	assert_int_equal(HABIT(after_post, .quick = true, .may_drive = true), FY_POST_WAKES);
}

/* ---- the table ------------------------------------------------------------------------------- */

static void each_parameter_is_described_and_in_range(void **state)
{
	size_t count, bytes = sizeof(uint64_t) + sizeof(int64_t); /* seldom, and spin */
	const struct fy_policy_parameter *table = fy_policy_table(&count);
	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct fy_policy_parameter *a = &table[i];
		const struct fy_option *o = &a->option;
		assert_true(strlen(table[i].help) > 20);
		assert_int_equal(strlen(a->decision), 4);
		assert_true(o->min <= o->preset && o->preset <= o->max);
		assert_true(a->off == FY_POLICY_NO_OFF || (o->min <= a->off && a->off <= o->max));
		assert_int_not_equal(a->off, o->preset);
		assert_true(strlen(o->name) + sizeof "FERRY_" <= FY_OPTION_NAME);
		assert_true((a->kind == FY_POLICY_BOUND) == (a->test != NULL));
		/* it can be shown to be needed */
		assert_false(a->kind == FY_POLICY_BOUND && a->off == FY_POLICY_NO_OFF);
		if (a->kind == FY_POLICY_CONSTANT)
			continue;
		for (size_t k = 0; k < i; k++)
			assert_false(table[k].kind != FY_POLICY_CONSTANT &&
			             table[k].option.offset == o->offset);
		bytes += sizeof(int64_t);
	}
	assert_int_equal(bytes, sizeof(struct fy_policy)); /* none is left out */
}

static void defaults_are_those_of_the_table(void **state)
{
	size_t count;
	const struct fy_policy_parameter *table = fy_policy_table(&count);
	struct fy_policy policy;
	(void)state;
	assert_int_equal(fy_policy_table_resolve(&policy), FERRY_OK);
	for (size_t i = 0; i < count; i++)
		if (table[i].kind != FY_POLICY_CONSTANT)
			assert_int_equal(*(int64_t *)(void *)((char *)&policy +
			                                      table[i].option.offset),
			                 table[i].option.preset);
	assert_int_equal(policy.drain.slow_after, MS);
}

static void variables_change_them(void **state)
{
	struct fy_policy policy;
	(void)state;
	setenv("FERRY_POLICY_YIELD", "7us", 1);
	setenv("FERRY_POLICY_LOOKS_ALONE", "3", 1);
	assert_int_equal(fy_policy_table_resolve(&policy), FERRY_OK);
	assert_int_equal(policy.idle.yield, 7 * US);
	assert_int_equal(policy.yield.looks_alone, 3);
	assert_int_equal(policy.drive.drive_idle, 50 * US);
}

static void wrong_values_are_refused_with_a_sentence(void **state)
{
	static const struct {
		const char *name, *value, *says;
	} rows[] = {
		{ "FERRY_POLICY_YIELD", "soon", "FERRY_POLICY_YIELD=soon is not accepted" },
		{ "FERRY_POLICY_YIELD", "11s", "at most 10s" },
		{ "FERRY_POLICY_SLEEP_WIRE", "0", "at least 1us" },
		{ "FERRY_POLICY_LOOKS_ALONE", "0", "a number: at least 1" },
		{ "FERRY_POLICY_LOOKS_ALONE", "2us", "a number" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct fy_policy policy = { .idle.yield = 42 };
		setenv(rows[i].name, rows[i].value, 1);
		assert_int_equal(fy_policy_table_resolve(&policy), FERRY_EINVAL);
		assert_non_null(strstr(ferry_last_error(), rows[i].says));
		assert_int_equal(policy.idle.yield, 42);
		unsetenv(rows[i].name);
	}
}

static void a_misspelt_variable_is_warned_of(void **state)
{
	(void)state;
	setenv("FERRY_POLICY_YIELD", "7us", 1);
	assert_int_equal(fy_policy_table_warn(NULL, 1), 0);
	setenv("FERRY_POLICY_YELD", "7us", 1);
	assert_int_equal(fy_policy_table_warn(NULL, 1), 1);
	setenv("FERRY_POLICY_LANE_ROOM", "1", 1); /* in the table, and not to be set */
	assert_int_equal(fy_policy_table_warn(NULL, 1), 2);
	unsetenv("FERRY_POLICY_LANE_ROOM");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_post_that_nobody_announced_waits_for_a_nap),
		cmocka_unit_test(a_drain_ends_however_much_is_posted),
		cmocka_unit_test(each_receive_is_tested_in_time),
		cmocka_unit_test(rings_are_not_trusted_for_long),
		cmocka_unit_test_setup(idle, clear_environment),
		cmocka_unit_test_setup(sleep_times, clear_environment),
		cmocka_unit_test_setup(stand_by_and_hand_back, clear_environment),
		cmocka_unit_test_setup(drive, clear_environment),
		cmocka_unit_test_setup(a_driver_beside_fellows_looks_before_it_yields,
		                       clear_environment),
		cmocka_unit_test_setup(drain, clear_environment),
		cmocka_unit_test_setup(look_ahead, clear_environment),
		cmocka_unit_test_setup(receives, clear_environment),
		cmocka_unit_test_setup(threads_that_post, clear_environment),
		cmocka_unit_test_setup(each_parameter_is_described_and_in_range, clear_environment),
		cmocka_unit_test_setup(defaults_are_those_of_the_table, clear_environment),
		cmocka_unit_test_setup(variables_change_them, clear_environment),
		cmocka_unit_test_setup(wrong_values_are_refused_with_a_sentence, clear_environment),
		cmocka_unit_test_setup(a_misspelt_variable_is_warned_of, clear_environment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
