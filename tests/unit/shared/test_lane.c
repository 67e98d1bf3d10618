/* SPDX-License-Identifier: Apache-2.0 */
/* The ring between an application thread and the holder of the helm. */
#include "test.h"

#include <pthread.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/order.h"
#include "shared/lane.h"
#include "shared/wake.h"
#include "wire/record.h"

/* ---- helpers ----------------------------------------------------------------------- */

static const uint32_t go_on;

static struct fy_lane *create(void)
{
	struct fy_lane *lane = fy_lane_create(NULL, 1, 7);
	assert_non_null(lane);
	return lane;
}

static void destroy(struct fy_lane *lane)
{
	fy_lane_release(lane); /* the engine's reference, and the thread's */
	fy_lane_release(lane);
}

/* A record of `nbytes`, every byte of which is `number`'s. NULL: full. */
static struct fy_record *put(struct fy_lane *lane, uint32_t nbytes, uint32_t number)
{
	uint32_t word = FY_KIND_POST | nbytes, size = fy_record_size(word);
	struct fy_record *r = fy_lane_reserve(lane, size);
	if (!r)
		return NULL;
	*r = (struct fy_record){ word, number, 0, 7 };
	memset(fy_record_data(r), (int)(number & 0xFF), nbytes);
	fy_lane_publish(lane, size);
	return r;
}

/* The next record, or NULL; `*head_p` is where the consumer is. */
static struct fy_record *next(struct fy_lane *lane, uint64_t *head_p)
{
	while (*head_p != lane->tail_seen) {
		struct fy_record *r = fy_lane_at(lane, *head_p);
		if (r->size_flags != FY_KIND_PAD) {
			*head_p += fy_record_size(r->size_flags);
			return r;
		}
		*head_p = (*head_p | (FY_LANE_BYTES - 1)) + 1;
	}
	return NULL;
}

/* Is it the record of that number, with a body of that number's bytes? */
static bool is(const struct fy_record *r, uint32_t number)
{
	const unsigned char *body = (const unsigned char *)fy_record_data(r);
	for (uint32_t i = 0; i < fy_record_body(r); i++)
		if (body[i] != (number & 0xFF))
			return false;
	return r->op == number;
}

/* ---- one thread ---------------------------------------------------------------------- */

static void it_begins_empty(void **state)
{
	(void)state;
	struct fy_lane *lane = create();
	assert_false(fy_lane_has_work(lane));
	assert_int_equal(lane->stream, 7);
	assert_non_null(put(lane, 3, 1));
	assert_true(fy_lane_has_work(lane));
	destroy(lane);
}

static void it_is_full_at_the_last_byte(void **state)
{
	(void)state;
	struct fy_lane *lane = create();
	uint32_t n = FY_LANE_BYTES / 32;
	for (uint32_t i = 0; i < n; i++)
		assert_non_null(put(lane, 16, i));
	assert_int_equal(lane->tail, FY_LANE_BYTES);
	assert_null(put(lane, 0, n));
	assert_true(fy_lane_has_work(lane));
	fy_lane_consume(lane, 32);
	assert_null(put(lane, 24, n)); /* 40 bytes: 8 too many */
	assert_non_null(put(lane, 16, n));
	assert_null(put(lane, 0, n));
	destroy(lane);
}

/* Before the end of the ring, at every distance from it, nothing is lost and nothing written behind
 * the end. */
static void what_does_not_fit_before_the_end_begins_anew(void **state)
{
	(void)state;
	for (uint32_t left = 8; left <= 256; left += 8) {
		struct fy_lane *lane = create();
		uint64_t head = lane->head = lane->tail = lane->head_seen = FY_LANE_BYTES - left;
		memset(lane->ring + FY_LANE_BYTES, 0x5A, FY_CACHE_LINE);
		struct fy_record *first = put(lane, 100, 1); /* 120 bytes */
		assert_non_null(first);
		assert_ptr_equal(first, lane->ring + (left < 120 ? 0 : FY_LANE_BYTES - left));
		assert_non_null(put(lane, 100, 2));
		assert_true(fy_lane_has_work(lane));
		assert_true(is(next(lane, &head), 1));
		assert_true(is(next(lane, &head), 2));
		assert_null(next(lane, &head));
		assert_int_equal(head, lane->tail);
		for (unsigned i = 0; i < FY_CACHE_LINE; i++)
			assert_int_equal(lane->ring[FY_LANE_BYTES + i], 0x5A);
		destroy(lane);
	}
}

/* The room that a PAD takes is not there for the record. */
static void the_room_before_the_end_counts_as_used(void **state)
{
	(void)state;
	struct fy_lane *lane = create();
	lane->head = lane->head_seen = 64;
	lane->tail = FY_LANE_BYTES - 64;
	assert_null(put(lane, 100, 1)); /* 120 bytes at the beginning, of which 64 are free */
	assert_int_equal(lane->tail, FY_LANE_BYTES - 64);
	assert_non_null(put(lane, 48, 1));
	assert_non_null(put(lane, 48, 2));
	assert_null(put(lane, 0, 3));
	destroy(lane);
}

static void positions_may_be_beyond_32_bits(void **state)
{
	(void)state;
	struct fy_lane *lane = create();
	uint64_t head = lane->head = lane->tail = lane->head_seen = (UINT64_C(1) << 32) - 64;
	for (uint32_t i = 0; i < 1000; i++)
		assert_non_null(put(lane, 40, i));
	assert_true(fy_lane_has_work(lane));
	for (uint32_t i = 0; i < 1000; i++)
		assert_true(is(next(lane, &head), i));
	assert_int_equal(head, lane->tail);
	destroy(lane);
}

static void waiting_for_room_ends_in_time_or_when_told(void **state)
{
	(void)state;
	struct fy_lane *lane = create();
	uint32_t stop = 1;
	while (put(lane, 1000, 1))
		;
	int64_t start = fy_clock_now();
	assert_false(fy_lane_await_room(lane, 1016, start + FERRY_MS(20), &go_on));
	assert_true(fy_clock_now() - start >= FERRY_MS(20));
	assert_false(fy_lane_await_room(lane, 1016, INT64_MAX, &stop));
	fy_lane_consume(lane, lane->tail);
	assert_true(fy_lane_await_room(lane, 1016, fy_clock_now(), &go_on));
	destroy(lane);
}

/* The helm wakes who waits, once half of the ring is empty, and else it wakes nobody: a wake is a
 * system call. */
static void only_who_waits_is_woken(void **state)
{
	(void)state;
	struct fy_lane *lane = create();
	while (put(lane, 1000, 1))
		;
	assert_true(fy_lane_has_work(lane));
	fy_lane_consume(lane, 1016);
	assert_int_equal(lane->sleep.word, 0);
	fy_store_release_32(&lane->sleep.wants_room, 1);
	fy_lane_consume(lane, FY_LANE_BYTES / 2 - 1016);
	assert_int_equal(lane->sleep.word, 0);
	assert_int_equal(lane->sleep.wants_room, 1);
	fy_lane_consume(lane, FY_LANE_BYTES / 2);
	assert_int_equal(lane->sleep.word, 1);
	assert_int_equal(lane->sleep.wants_room, 0);
	fy_lane_consume(lane, FY_LANE_BYTES / 2 + 1016);
	assert_int_equal(lane->sleep.word, 1);
	destroy(lane);
}

/* ---- two threads ---------------------------------------------------------------------- */

struct sleeper {
	struct fy_lane *lane;
	bool got_room;
	int64_t took;
};

static void *sleep_for_room(void *arg)
{
	struct sleeper *s = arg;
	int64_t start = fy_clock_now();
	s->got_room = fy_lane_await_room(s->lane, 1016, start + FERRY_S(10), &go_on);
	s->took = fy_clock_now() - start;
	return NULL;
}

static void who_waits_for_room_is_woken(void **state)
{
	(void)state;
	struct fy_lane *lane = create();
	struct sleeper s = { .lane = lane };
	pthread_t thread;
	while (put(lane, 1000, 1))
		;
	assert_int_equal(pthread_create(&thread, NULL, sleep_for_room, &s), 0);
	while (!fy_load_acquire_32(&lane->sleep.wants_room))
		t_sleep_ms(1);
	t_sleep_ms(20);      /* asleep, most likely; the outcome is the same if it is not */
	fy_lane_nudge(lane); /* it looks, and sleeps again */
	t_sleep_ms(20);
	assert_true(fy_lane_has_work(lane));
	fy_lane_consume(lane, FY_LANE_BYTES / 2);
	pthread_join(thread, NULL);
	assert_true(s.got_room);
	assert_true(s.took < FERRY_S(5));
	destroy(lane);
}

/* Its nap would end by itself, later: what is measured is that nobody has to wait for that. */
static int64_t wake_once(void)
{
	struct fy_lane *lane = create();
	struct sleeper s = { .lane = lane };
	pthread_t thread;
	while (put(lane, 1000, 1))
		;
	assert_int_equal(pthread_create(&thread, NULL, sleep_for_room, &s), 0);
	while (!fy_load_acquire_32(&lane->sleep.wants_room))
		;
	for (int64_t asleep = fy_clock_now() + FERRY_US(50); fy_clock_now() < asleep;)
		;
	int64_t start = fy_clock_now();
	fy_lane_has_work(lane);
	fy_lane_consume(lane, FY_LANE_BYTES / 2);
	pthread_join(thread, NULL);
	int64_t took = fy_clock_now() - start;
	assert_true(s.got_room);
	destroy(lane);
	return took;
}

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void nobody_sleeps_on_when_there_is_room(void **state)
{
	(void)state;
	int64_t took[101];
	for (int i = 0; i < 101; i++)
		took[i] = wake_once();
	qsort(took, 101, sizeof took[0], by_time);
	print_message("# awake after %lld us (one of ten), %lld us (half), at most %lld us\n",
	              (long long)took[10] / 1000, (long long)took[50] / 1000,
	              (long long)took[100] / 1000);
	/* one of ten: where others want the processors, too, half may be late */
	if (t_env("TEST_SLOW", 1) == 1)
		assert_true(took[10] < FERRY_US(250));
}

struct producer {
	struct fy_lane *lane;
	uint32_t count, waits;
	bool failed;
};

static uint32_t length_of(uint32_t number)
{
	uint64_t random = number;
	uint64_t drawn = t_random(&random);
	return (uint32_t)(drawn % 64 ? drawn >> 8 & 63 : drawn >> 8 & 4095);
}

static void *produce(void *arg)
{
	struct producer *p = arg;
	for (uint32_t i = 0; i < p->count && !p->failed; i++)
		while (!put(p->lane, length_of(i), i)) {
			p->waits++;
			if (!fy_lane_await_room(p->lane, fy_record_size(length_of(i)),
			                        fy_clock_now() + FERRY_S(30), &go_on)) {
				p->failed = true;
				break;
			}
		}
	fy_store_release_32(&p->lane->life.left, 1);
	return NULL;
}

static void records_pass_in_order_and_whole(void **state)
{
	(void)state;
	struct fy_lane *lane = create();
	struct producer p = { .lane = lane, .count = (uint32_t)t_scaled(1000000) };
	uint32_t seen = 0;
	bool wrong = false, left = false;
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, produce, &p), 0);
	while (!left || fy_lane_has_work(lane)) {
		/* first: what was put before is then seen */
		left = fy_load_acquire_32(&lane->life.left);
		uint64_t head = lane->head;
		const struct fy_record *r;
		fy_lane_has_work(lane);
		for (; (r = next(lane, &head)); seen++)
			wrong |= !is(r, seen) || fy_record_body(r) != length_of(seen);
		fy_lane_consume(lane, head);
	}
	pthread_join(thread, NULL);
	assert_false(p.failed);
	assert_false(wrong);
	assert_int_equal(seen, p.count);
	print_message("# %u records, the producer waited %u times\n", seen, p.waits);
	destroy(lane);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_begins_empty),
		cmocka_unit_test(it_is_full_at_the_last_byte),
		cmocka_unit_test(what_does_not_fit_before_the_end_begins_anew),
		cmocka_unit_test(the_room_before_the_end_counts_as_used),
		cmocka_unit_test(positions_may_be_beyond_32_bits),
		cmocka_unit_test(waiting_for_room_ends_in_time_or_when_told),
		cmocka_unit_test(only_who_waits_is_woken),
		cmocka_unit_test(who_waits_for_room_is_woken),
		cmocka_unit_test(nobody_sleeps_on_when_there_is_room),
		cmocka_unit_test(records_pass_in_order_and_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
