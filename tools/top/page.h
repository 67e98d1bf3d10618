/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of text, of a bounded width and number, for a screen or a stream. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum top_style {
	TOP_PLAIN,
	TOP_HEADING,
	TOP_WRONG_STYLE, /* what is wrong */
	TOP_CHOSEN,      /* the row that the next key is about */
};

struct top_page {
	char *text;
	size_t used, size;
	int lines;         /* that are written */
	int rows, columns; /* at most */
	bool styles;       /* a terminal shows it */
	bool failed;       /* no memory: something is missing */
};

/* rows: 0: as many as there are. */
void top_page_init(struct top_page *page, int rows, int columns, bool styles);
void top_page_free(struct top_page *page);
/* One line, cut at the last column. Nothing happens where the page is full. Text from outside goes
 * through top_plain first. */
void top_line(struct top_page *page, enum top_style style, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A sentence of any length, broken between words; lines after the first one are indented. At most
 * so many lines; 0: all. */
void top_sentence(struct top_page *page, enum top_style style, int lines, const char *text);
/* How many lines there is room for. */
int top_page_room(const struct top_page *page);
