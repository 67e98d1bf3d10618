/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <string.h>

#include "utf8.h"

/* `also`: what is escaped besides. */
static void put_character(FILE *to, const char *at, size_t length, const char *also)
{
	if (!length)
		fputs("\\ufffd", to);
	else if (*at == '"' || *at == '\\')
		fprintf(to, "\\%c", *at);
	else if ((unsigned char)*at < ' ' || *at == 0x7f || strchr(also, *at))
		fprintf(to, "\\u%04x", (unsigned)*at);
	else
		fwrite(at, 1, length, to);
}

static void put(FILE *to, const char *text, const char *also)
{
	size_t length;
	fputc('"', to);
	for (; *text; text += length ? length : 1) {
		length = text_utf8(text);
		put_character(to, text, length, also);
	}
	fputc('"', to);
}

void text_json(FILE *to, const char *text)
{
	put(to, text, "");
}

void text_json_in_page(FILE *to, const char *text)
{
	put(to, text, "<>&");
}
