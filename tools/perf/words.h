/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PERF_WORDS_H
#define PERF_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* Read a number of bytes, with K, M or G for powers of 1024. *end: where it ends. */
bool perf_read_size(const char *text, size_t *value, const char **end);
/* Is the name in a list with commas between? */
bool perf_in_list(const char *list, const char *name);

#endif /* PERF_WORDS_H */
