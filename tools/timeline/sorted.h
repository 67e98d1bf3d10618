/* SPDX-License-Identifier: Apache-2.0 */
/* A table that is filled, sorted, and then searched. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_sorted {
	struct trace_item {
		uint64_t a, b, c; /* the key */
		size_t value;
	} * items;
	size_t count, room;
};

/* False: no memory. */
bool trace_sorted_add(struct trace_sorted *sorted, uint64_t a, uint64_t b, uint64_t c,
                      size_t value);
void trace_sorted_sort(struct trace_sorted *sorted);
/* Of equal keys, the value that was added last. */
bool trace_sorted_find(const struct trace_sorted *sorted, uint64_t a, uint64_t b, uint64_t c,
                       size_t *value_p);
void trace_sorted_free(struct trace_sorted *sorted);
