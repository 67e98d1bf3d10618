/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of handlers: each op has its own place, whatever the table. */
#include "support/engine.h"

#include "helm/handlers.h"
#include "shared/handler.h"

static struct fy_handler *add(uint32_t op)
{
	struct fy_handler *h = calloc(1, sizeof *h), **at = fy_handlers_place(t_helm(0), op);
	assert_non_null(h);
	*h = (struct fy_handler){ .op = op, .refs = 1 };
	assert_null(*at);
	*at = h;
	return h;
}

static void every_op_has_a_place_of_its_own(void **state)
{
	enum { N = 4 * FY_OPS_HASHED };
	struct fy_handler *handlers[FY_OPS_DIRECT + N];
	(void)state;
	for (uint32_t op = 0; op < FY_OPS_DIRECT + N; op++) {
		assert_null(fy_handlers_find(t_helm(0), op));
		handlers[op] = add(op);
	}
	for (uint32_t op = 0; op < FY_OPS_DIRECT + N; op++)
		assert_ptr_equal(fy_handlers_find(t_helm(0), op), handlers[op]);
	assert_null(fy_handlers_find(t_helm(0), FY_OPS_DIRECT + N));
	assert_null(fy_handlers_find(t_helm(0), FERRY_OP_RESERVED - 1));
}

static void the_place_is_where_it_is_taken_out(void **state)
{
	struct fy_handler *first = add(1000);
	uint32_t op = 1001;
	(void)state;
	while (fy_handlers_place(t_helm(0), op) != &first->next)
		op++; /* until one is in the same list */
	struct fy_handler *last = add(op);
	assert_ptr_equal(fy_handlers_find(t_helm(0), 1000), first);
	*fy_handlers_place(t_helm(0), 1000) = first->next;
	assert_null(fy_handlers_find(t_helm(0), 1000));
	assert_ptr_equal(fy_handlers_find(t_helm(0), op), last);
	fy_handler_release(first);
}

static void a_list_ends_with_its_handlers_closed(void **state)
{
	struct fy_handler *h = add(3);
	(void)state;
	h->refs = 2; /* a message in its executor has one */
	fy_handlers_free_list(fy_handlers_place(t_helm(0), 3));
	assert_null(fy_handlers_find(t_helm(0), 3));
	assert_int_equal(h->closed, 1);
	fy_handler_release(h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T_CASE(every_op_has_a_place_of_its_own),
		T_CASE(the_place_is_where_it_is_taken_out),
		T_CASE(a_list_ends_with_its_handlers_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
