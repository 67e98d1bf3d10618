/* SPDX-License-Identifier: Apache-2.0 */
/* Write JSON, one value after the other; commas and indentation come by themselves. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define TOP_JSON_DEPTH 12

struct top_json {
	FILE *file;
	int depth;
	char closing[TOP_JSON_DEPTH];
	bool empty[TOP_JSON_DEPTH];
};

/* `name` is NULL in an array, and for the outermost value. `bracket` is '{' or '['. */
void top_json_open(struct top_json *json, const char *name, char bracket);
void top_json_close(struct top_json *json);
void top_json_count(struct top_json *json, const char *name, uint64_t value);
void top_json_integer(struct top_json *json, const char *name, int64_t value);
/* null where it is not a number. */
void top_json_real(struct top_json *json, const char *name, double value);
void top_json_truth(struct top_json *json, const char *name, bool value);
/* Any bytes: what is not UTF-8 becomes U+FFFD. NULL: null. */
void top_json_text(struct top_json *json, const char *name, const char *value);
