/* SPDX-License-Identifier: Apache-2.0 */
/* Seats: the lowest free one, never two of the same, and where their parts are. */
#include "support/test.h"

#include "shared/seats.h"

#include <pthread.h>

static void the_lowest_free_one(void **state)
{
	struct fy_seats seats = { { 0 } };
	struct fy_seat first[200];
	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		first[i] = fy_seats_take(&seats);
		assert_int_equal(first[i].number, i + 1);
	}
	fy_seats_give(&seats, &first[150]);
	fy_seats_give(&seats, &first[3]);
	assert_int_equal(fy_seats_take(&seats).number, 4);
	assert_int_equal(fy_seats_take(&seats).number, 151);
	assert_int_equal(fy_seats_take(&seats).number, 201);
}

/* Each seat has a place of its own, and who finds none free has none. */
static void a_place_for_each(void **state)
{
	static bool taken[FY_SEAT_BLOCKS][FY_SEATS];
	struct fy_seats seats = { { 0 } };
	(void)state;
	for (uint32_t i = 1; i < FY_SEATS; i++) {
		struct fy_seat seat = fy_seats_take(&seats);
		assert_true(seat.block < FY_SEAT_BLOCKS);
		assert_true(seat.index < 1u << seat.block);
		assert_false(taken[seat.block][seat.index]);
		taken[seat.block][seat.index] = true;
	}
	struct fy_seat none = fy_seats_take(&seats);
	assert_int_equal(none.number, FY_SEAT_NONE);
	assert_int_equal(none.block, FY_SEAT_BLOCKS);
	fy_seats_give(&seats, &none);
	assert_int_equal(fy_seats_take(&seats).number, FY_SEAT_NONE);
}

enum { THREADS = 4 };

static struct {
	struct fy_seats seats;
	uint64_t held[FY_SEATS]; /* by whoever has the seat, alone */
	uint64_t wrong;
	unsigned long rounds;
} many;

static void *sit(void *arg)
{
	uint64_t me = (uint64_t)(uintptr_t)arg, wrong = 0;
	for (unsigned long i = 0; i < many.rounds; i++) {
		struct fy_seat seat = fy_seats_take(&many.seats);
		wrong += many.held[seat.number] != 0;
		many.held[seat.number] = me;
		wrong += many.held[seat.number] != me;
		many.held[seat.number] = 0;
		fy_seats_give(&many.seats, &seat);
	}
	fy_add_64(&many.wrong, wrong);
	return NULL;
}

static void one_thread_a_seat(void **state)
{
	pthread_t threads[THREADS];
	(void)state;
	many.rounds = t_scaled(100000);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sit, (void *)(i + 1)), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(many.wrong, 0);
	assert_int_equal(fy_seats_take(&many.seats).number, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lowest_free_one),
		cmocka_unit_test(a_place_for_each),
		cmocka_unit_test(one_thread_a_seat),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
