/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks: their sizes, that one comes back to who wants its size, and when they go. */
#include "support/engine.h"

#include "base/order.h"
#include "bulk/blocks.h"
#include "shared/block.h"

enum { LENGTH = 100 << 10 };

static void *get(size_t nbytes)
{
	void *data = fy_blocks_get(&t_helm(0)->bulk, nbytes, 0);
	assert_non_null(data);
	return data;
}

static uint64_t kept(void)
{
	return fy_load_relaxed_64(&t_engines[0]->told.block_bytes);
}

static void a_size_is_at_most_an_eighth_too_much(void **state)
{
	const ferry *engine = t_engines[0];
	(void)state;
	assert_int_equal(fy_block_size(engine, FY_BLOCK_MIN - 1), FY_BLOCK_MIN - 1);
	assert_int_equal(fy_block_size(engine, FY_BLOCK_MIN), FY_BLOCK_MIN);
	for (size_t n = FY_BLOCK_MIN; n < FY_BLOCK_MIN << 4; n += 777) {
		size_t room = fy_block_size(engine, n);
		assert_true(room >= n && room - n <= n / 8);
		assert_int_equal(fy_block_size(engine, room), room);
	}
	size_t most = fy_block_most_kept(engine);
	assert_int_equal(fy_block_size(engine, most + 1), most + 1);
}

static void a_block_is_used_again(void **state)
{
	void *data = get(LENGTH);
	(void)state;
	fy_block_put(t_engines[0], data, LENGTH);
	assert_int_equal(kept(), fy_block_size(t_engines[0], LENGTH));
	assert_ptr_equal(get(LENGTH - 1), data); /* of the same size */
	assert_int_equal(kept(), 0);
	void *second = get(LENGTH);
	assert_ptr_not_equal(second, data);
	assert_int_equal(t_helm(0)->bulk.blocks.made, 2);
	free(data);
	free(second);
}

static void the_last_one_that_came_back_is_first(void **state)
{
	void *first = get(LENGTH), *second = get(LENGTH);
	(void)state;
	fy_block_put(t_engines[0], first, LENGTH);
	fy_block_put(t_engines[0], second, LENGTH);
	assert_ptr_equal(get(LENGTH), second);
	assert_ptr_equal(get(LENGTH), first);
	free(first);
	free(second);
}

static void what_nobody_wants_goes_after_a_second(void **state)
{
	struct fy_progress *p = t_helm(0);
	(void)state;
	fy_block_put(t_engines[0], get(LENGTH), LENGTH);
	fy_blocks_step(&p->bulk);
	p->link.now += FERRY_S(1);
	fy_blocks_step(&p->bulk);
	assert_true(kept() > 0);
	p->link.now++;
	fy_blocks_step(&p->bulk);
	assert_int_equal(kept(), 0);
	assert_null(p->bulk.blocks.newest);
	assert_null(p->bulk.blocks.oldest);
}

static void the_oldest_go_first(void **state)
{
	const ferry *engine = t_engines[0];
	void *first = get(LENGTH), *second = get(2 * LENGTH);
	uint64_t one = fy_block_size(engine, 2 * LENGTH),
		 wanted = fy_block_size(engine, 3 * LENGTH);
	(void)state;
	fy_block_put(t_engines[0], first, LENGTH);
	fy_block_put(t_engines[0], second, 2 * LENGTH);
	/* a message that leaves room for one of them */
	free(fy_blocks_get(&t_helm(0)->bulk, 3 * LENGTH,
	                   fy_block_most_kept(engine) - wanted - one));
	assert_int_equal(kept(), one);
	assert_ptr_equal(get(2 * LENGTH), second);
	free(second);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T_CASE(a_size_is_at_most_an_eighth_too_much),
		T_CASE(a_block_is_used_again),
		T_CASE(the_last_one_that_came_back_is_first),
		T_CASE(what_nobody_wants_goes_after_a_second),
		T_CASE(the_oldest_go_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
