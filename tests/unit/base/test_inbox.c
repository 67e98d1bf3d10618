/* SPDX-License-Identifier: Apache-2.0 */
/* An inbox: any thread puts something in, one takes out all of it. */
#include "test.h"

#include <pthread.h>
#include <sched.h>

#include "base/inbox.h"
#include "base/list.h"

#define THREADS 3
#define EACH 20000

struct letter {
	int from, number;
	fy_inbox_entry entry;
};

struct writer {
	fy_inbox *inbox;
	struct letter letters[EACH];
	pthread_t thread;
};

static void it_gives_the_newest_first_or_in_order(void **state)
{
	(void)state;
	fy_inbox inbox;
	struct letter letters[4];
	fy_inbox_init(&inbox);
	assert_false(fy_inbox_any(&inbox));
	assert_null(fy_inbox_take(&inbox));
	assert_null(fy_inbox_take_in_order(&inbox));
	for (int ordered = 0; ordered < 2; ordered++) {
		for (int i = 0; i < 4; i++) {
			letters[i].number = i;
			fy_inbox_put(&inbox, &letters[i].entry);
			assert_true(fy_inbox_any(&inbox));
		}
		int n = 0;
		fy_inbox_each (at,
		               ordered ? fy_inbox_take_in_order(&inbox) : fy_inbox_take(&inbox)) {
			struct letter *letter = fy_container_of(at, struct letter, entry);
			assert_int_equal(letter->number, ordered ? n : 3 - n);
			letter->entry.next = NULL; /* the loop goes on all the same */
			n++;
		}
		assert_int_equal(n, 4);
		assert_false(fy_inbox_any(&inbox));
	}
}

static void *write_all(void *arg)
{
	struct writer *w = arg;
	for (int i = 0; i < EACH; i++)
		fy_inbox_put(w->inbox, &w->letters[i].entry);
	return NULL;
}

static void each_letter_arrives_once_and_in_its_writers_order(void **state)
{
	(void)state;
	static struct writer writers[THREADS];
	fy_inbox inbox;
	fy_inbox_init(&inbox);
	for (int t = 0; t < THREADS; t++) {
		writers[t].inbox = &inbox;
		for (int i = 0; i < EACH; i++)
			writers[t].letters[i] = (struct letter){ .from = t, .number = i };
		assert_int_equal(pthread_create(&writers[t].thread, NULL, write_all, &writers[t]),
		                 0);
	}
	int next[THREADS] = { 0 };
	for (int n = 0; n < THREADS * EACH; sched_yield())
		fy_inbox_each (at, fy_inbox_take_in_order(&inbox)) {
			const struct letter *letter = fy_container_of(at, struct letter, entry);
			assert_int_equal(letter->number, next[letter->from]);
			next[letter->from]++;
			n++;
		}
	for (int t = 0; t < THREADS; t++)
		pthread_join(writers[t].thread, NULL);
	assert_false(fy_inbox_any(&inbox));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_gives_the_newest_first_or_in_order),
		cmocka_unit_test(each_letter_arrives_once_and_in_its_writers_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
