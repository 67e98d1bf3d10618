/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../text/utf8.h"
#include "page.h"

#define LINE_MAX_BYTES 1024
#define INDENT 4

void top_page_init(struct top_page *page, int rows, int columns, bool styles)
{
	memset(page, 0, sizeof(*page));
	page->rows = rows;
	page->columns = columns;
	page->styles = styles;
}

void top_page_free(struct top_page *page)
{
	free(page->text);
	page->text = NULL;
}

int top_page_room(const struct top_page *page)
{
	return page->rows ? page->rows - page->lines : INT_MAX;
}

static void put(struct top_page *page, const char *bytes, size_t length)
{
	size_t size = page->size ? page->size : 4096;
	char *text;

	while (size < page->used + length + 1)
		size *= 2;
	if (size != page->size) {
		text = realloc(page->text, size);
		page->failed |= !text;
		if (!text)
			return;
		page->text = text;
		page->size = size;
	}
	memcpy(page->text + page->used, bytes, length);
	page->used += length;
	page->text[page->used] = '\0';
}

/* How many bytes of it fit into so many columns. */
static size_t fitting(const char *text, int columns)
{
	size_t used = 0, length;

	for (; text[used] && columns > 0; columns--) {
		length = text_utf8(text + used);
		used += length ? length : 1;
	}
	return used;
}

static void put_line(struct top_page *page, enum top_style style, const char *text, size_t length)
{
	static const char *const codes[] = { "", "\033[7m", "\033[1;31m", "\033[1m" };

	if (top_page_room(page) <= 0)
		return;
	if (page->styles)
		put(page, codes[style], strlen(codes[style]));
	put(page, text, length);
	if (page->styles && style != TOP_PLAIN)
		put(page, "\033[0m", 4);
	put(page, "\n", 1);
	page->lines++;
}

void top_line(struct top_page *page, enum top_style style, const char *format, ...)
{
	char text[LINE_MAX_BYTES];
	size_t length;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	length = fitting(text, page->columns);
	while (length && text[length - 1] == ' ')
		length--;
	put_line(page, style, text, length);
}

/* Where to break a text that does not fit: behind the last word that does. */
static size_t break_at(const char *text, int columns)
{
	size_t length = fitting(text, columns), word = length;

	if (!text[length])
		return length;
	while (word && text[word] != ' ')
		word--;
	return word ? word : length;
}

void top_sentence(struct top_page *page, enum top_style style, int lines, const char *text)
{
	char line[LINE_MAX_BYTES];
	int indent = 0, shown;
	size_t length;

	for (shown = 0; *text && (!lines || shown < lines); shown++) {
		length = break_at(text, page->columns - indent);
		snprintf(line, sizeof(line), "%*s%.*s", indent, "", (int)length, text);
		put_line(page, style, line, strlen(line));
		text += length + strspn(text + length, " ");
		indent = INDENT;
	}
}
