/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers for narrow columns and for sentences. What is below 0 is not known: "-". Each writes into
 * the caller's memory and returns it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Room for any of them. */
struct top_text {
	char is[24];
};

/* At most 5 columns: 9999, 12.3k, 456M. */
const char *top_count(struct top_text *text, double number);
/* Bytes, at most 6 columns: 512, 1.5Ki, 12.0Mi. */
const char *top_bytes(struct top_text *text, double number);
/* Bytes for a sentence: "512 B", "1.50 MiB". */
const char *top_bytes_said(struct top_text *text, double number);
/* A time in ns, at most 6 columns: 350us, 2.4s, 12m03s, 3h07m, 5d02h. */
const char *top_span(struct top_text *text, int64_t ns);
/* The same for a sentence: "350 us", "2.4 s", "12 min 3 s"; 0 is "a moment". */
const char *top_span_said(struct top_text *text, int64_t ns);
/* An op: in decimal, and in hexadecimal from 100000 on. */
const char *top_op(struct top_text *text, uint32_t op);
/* A time of day of the system's clock, in ns since 1970: "14:03:07", or with the date where that is
 * not today's. */
const char *top_clock(struct top_text *text, int64_t wall, int64_t today);
