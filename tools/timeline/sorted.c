/* SPDX-License-Identifier: Apache-2.0 */
/* A table that is filled, sorted, and then searched. */
#include "timeline/sorted.h"

#include <stdlib.h>

static int by_key(const void *a, const void *b)
{
	const struct trace_item *x = a, *y = b;
	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	if (x->b != y->b)
		return x->b < y->b ? -1 : 1;
	if (x->c != y->c)
		return x->c < y->c ? -1 : 1;
	return (x->value > y->value) - (x->value < y->value);
}

bool trace_sorted_add(struct trace_sorted *s, uint64_t a, uint64_t b, uint64_t c, size_t value)
{
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		struct trace_item *items = realloc(s->items, room * sizeof *items);
		if (!items)
			return false;
		s->items = items;
		s->room = room;
	}
	s->items[s->count++] = (struct trace_item){ a, b, c, value };
	return true;
}

void trace_sorted_sort(struct trace_sorted *s)
{
	if (s->count)
		qsort(s->items, s->count, sizeof *s->items, by_key);
}

bool trace_sorted_find(const struct trace_sorted *s, uint64_t a, uint64_t b, uint64_t c,
                       size_t *value_p)
{
	const struct trace_item key = { a, b, c, SIZE_MAX };
	size_t low = 0, high = s->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (by_key(&s->items[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return false;
	const struct trace_item *found = &s->items[low - 1];
	if (found->a != a || found->b != b || found->c != c)
		return false;
	*value_p = found->value;
	return true;
}

void trace_sorted_free(struct trace_sorted *s)
{
	free(s->items);
	*s = (struct trace_sorted){ 0 };
}
