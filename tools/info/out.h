/* SPDX-License-Identifier: Apache-2.0 */
/* The same figures for a person, as lines of text, or for a program, as JSON. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#define INFO_DEPTH 8

struct info_out {
	FILE *file;
	bool json;
	int depth;
	bool some[INFO_DEPTH]; /* of JSON: something stands in this object already */
};

void info_out_begin(struct info_out *out, FILE *file, bool json);
void info_out_end(struct info_out *out);
/* An object in JSON; in text a heading, and what follows is below it. */
void info_out_section(struct info_out *out, const char *key, const char *heading);
void info_out_section_end(struct info_out *out);
/* An array of objects; in text nothing. `key` NULL: the next object of the array. */
void info_out_array(struct info_out *out, const char *key);
void info_out_array_end(struct info_out *out);
void info_out_object(struct info_out *out);
void info_out_object_end(struct info_out *out);
/* One figure. NULL as text is null, and no line. */
void info_out_text(struct info_out *out, const char *key, const char *value);
void info_out_number(struct info_out *out, const char *key, long long value);
void info_out_flag(struct info_out *out, const char *key, bool value);
/* For text only: a line as it is. */
void info_out_line(struct info_out *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
