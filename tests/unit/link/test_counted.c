/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of posts that count: how they grow, and how they end. */
#include "support/engine.h"

#include "link/counted.h"
#include "link/failure.h"
#include "shared/counter.h"
#include "wire/record.h"

enum { STREAM = 7 };
static const struct fy_seat no_seat = { FY_SEAT_NONE, FY_SEAT_BLOCKS, 0 };

static ferry_counter *make(void)
{
	fy_engine_retain(t_engines[0]);
	return fy_counter_new(t_engines[0]);
}

static uint64_t at(uint32_t batch, uint32_t index)
{
	return (uint64_t)batch << 32 | index;
}

static void add(struct fy_counted *runs, ferry_counter *c, uint64_t id, uint32_t n)
{
	struct fy_link *link = &t_helm(0)->link;
	assert_true(fy_counted_reserve(&link->counted));
	fy_counter_count(c, &no_seat, n);
	fy_counted_add(link, runs, c, id, n, STREAM | fy_record_tag(0));
}

static void add_large(struct fy_counted *runs, ferry_counter *c, uint64_t id)
{
	struct fy_link *link = &t_helm(0)->link;
	assert_true(fy_counted_reserve(&link->counted));
	fy_counter_count(c, &no_seat, 1);
	fy_counted_add_large(link, runs, c, id, STREAM | fy_record_tag(0));
}

static unsigned count(const struct fy_counted *runs)
{
	unsigned n = 0;
	const struct fy_counted_run *last = NULL;
	for (const struct fy_counted_run *run = runs->first; run; last = run, run = run->next)
		n++;
	assert_ptr_equal(runs->last, last);
	return n;
}

static void is_over(ferry_counter *c, const struct fy_counted *runs)
{
	assert_null(runs->first);
	assert_null(runs->last);
	assert_int_equal(t_helm(0)->link.counted.n_open, 0);
	assert_int_equal(t_helm(0)->link.counts.awaited[0], 0);
	assert_int_equal(fy_counter_done(c), fy_counter_posted(c));
	fy_counter_release(c);
}

static void a_run_is_of_one_counter_and_one_batch(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	ferry_counter *a = make(), *b = make();
	(void)state;
	add(&ch->counted, a, at(5, 0), 3);
	add(&ch->counted, a, at(5, 3), 2);
	assert_int_equal(count(&ch->counted), 1);
	add(&ch->counted, a, at(5, 6), 1); /* another record is between */
	add(&ch->counted, b, at(5, 7), 1);
	add(&ch->counted, a, at(5, 8), 1);
	add(&ch->counted, a, at(6, 0), 4);
	assert_int_equal(count(&ch->counted), 5);
	assert_int_equal(t_helm(0)->link.counted.n_open, 12);
	fy_counted_accepted(&t_helm(0)->link, ch, 4);
	assert_int_equal(fy_counter_done(a), 0);
	fy_counted_accepted(&t_helm(0)->link, ch, 5);
	assert_int_equal(fy_counter_done(a), 7);
	assert_int_equal(fy_counter_done(b), 1);
	fy_counted_accepted(&t_helm(0)->link, ch, 6);
	fy_counter_release(b);
	is_over(a, &ch->counted);
}

static void numbers_of_batches_wrap(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	ferry_counter *a = make();
	(void)state;
	add(&ch->counted, a, at(UINT32_MAX, 0), 1);
	add(&ch->counted, a, at(0, 0), 2);
	fy_counted_accepted(&t_helm(0)->link, ch, UINT32_MAX);
	assert_int_equal(fy_counter_done(a), 1);
	fy_counted_accepted(&t_helm(0)->link, ch, 0);
	is_over(a, &ch->counted);
}

static void a_stream_is_acknowledged_by_number(void **state)
{
	struct fy_counted runs = { NULL, NULL };
	ferry_counter *a = make();
	(void)state;
	add(&runs, a, at(5, 1), 4);
	add_large(&runs, a, at(5, 5));
	add(&runs, a, at(5, 6), 2);
	assert_int_equal(count(&runs), 3);
	fy_counted_acked(&t_helm(0)->link, &runs, 0);
	assert_int_equal(fy_counter_done(a), 0);
	fy_counted_acked(&t_helm(0)->link, &runs, 3);
	assert_int_equal(fy_counter_done(a), 3);
	fy_counted_acked(&t_helm(0)->link, &runs, 6);
	assert_int_equal(fy_counter_done(a), 6);
	add(&runs, a, at(5, 8), 1); /* the run that was begun grows */
	assert_int_equal(count(&runs), 1);
	fy_counted_acked(&t_helm(0)->link, &runs, 8);
	is_over(a, &runs);
}

static unsigned refuse(struct fy_channel *ch, uint64_t first)
{
	return fy_counted_refuse(&t_helm(0)->link, ch, &ch->counted, first, FERRY_EDECODE, "why");
}

static void a_batch_is_refused_from_a_record_on(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	ferry_counter *a = make(), *b = make();
	(void)state;
	add(&ch->counted, a, at(5, 0), 3);
	add(&ch->counted, b, at(6, 0), 3);
	add(&ch->counted, a, at(6, 3), 3);
	add(&ch->counted, b, at(6, 6), 3);
	add(&ch->counted, a, at(7, 0), 3);
	assert_int_equal(refuse(ch, at(6, 4)), 5);
	assert_int_equal(count(&ch->counted), 4);
	assert_int_equal(fy_counter_done(a), 2);
	assert_int_equal(fy_counter_outcome(a), FERRY_EDECODE);
	assert_string_equal(ferry_last_error(), "why");
	assert_int_equal(fy_counter_done(b), 3);
	assert_int_equal(refuse(ch, at(6, 4)), 0);
	assert_int_equal(refuse(ch, at(7, 0)), 3);
	add(&ch->counted, b, at(8, 0), 1); /* at the end of the list as it is now */
	fy_counted_accepted(&t_helm(0)->link, ch, 8);
	assert_int_equal(fy_counter_done(b), fy_counter_posted(b));
	fy_counter_release(b);
	is_over(a, &ch->counted);
	char *detail = NULL; /* a flush hears of it, too */
	assert_int_equal(fy_failure_take(ch, STREAM, &detail), FERRY_EDECODE);
	free(detail);
}

static void a_large_message_fails_alone(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	struct fy_link *link = &t_helm(0)->link;
	struct fy_counted runs = { NULL, NULL };
	ferry_counter *a = make();
	(void)state;
	add(&runs, a, at(5, 1), 2);
	add_large(&runs, a, at(5, 3));
	add_large(&runs, a, at(5, 4));
	assert_false(fy_counted_fail_one(link, ch, &runs, 2, FERRY_EMPI, "why"));
	assert_true(fy_counted_fail_one(link, ch, &runs, 4, FERRY_EMPI, "why"));
	assert_false(fy_counted_fail_one(link, ch, &runs, 4, FERRY_EMPI, "why"));
	assert_int_equal(fy_counter_done(a), 1);
	assert_int_equal(count(&runs), 2);
	fy_counted_acked(link, &runs, 4);
	is_over(a, &runs);
}

static void all_fail(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	ferry_counter *a = make();
	(void)state;
	add(&ch->counted, a, at(5, 0), 3);
	add(&ch->counted, a, at(6, 0), 3);
	fy_counted_fail_all(&t_helm(0)->link, ch, &ch->counted, FERRY_EPEER, "gone");
	assert_int_equal(fy_counter_outcome(a), FERRY_EPEER);
	is_over(a, &ch->counted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(a_run_is_of_one_counter_and_one_batch),
		T_CASE(numbers_of_batches_wrap),
		T_CASE(a_stream_is_acknowledged_by_number),
		T_CASE(a_batch_is_refused_from_a_record_on),
		T_CASE(a_large_message_fails_alone),
		T_CASE(all_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
