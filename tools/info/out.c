/* SPDX-License-Identifier: Apache-2.0 */
#include "out.h"

#include <stdarg.h>
#include <string.h>

#include "../text/json.h"

/* JSON: a comma where one is due, a new line, and the key. */
static void begin_value(struct info_out *out, const char *key)
{
	fputs(out->some[out->depth] ? ",\n" : "\n", out->file);
	out->some[out->depth] = true;
	fprintf(out->file, "%*s", 2 * out->depth, "");
	if (!key)
		return;
	text_json(out->file, key);
	fputs(": ", out->file);
}

static void descend(struct info_out *out, const char *key, char bracket)
{
	if (!out->json)
		return;
	begin_value(out, key);
	fputc(bracket, out->file);
	out->some[++out->depth] = false;
}

static void ascend(struct info_out *out, char bracket)
{
	if (!out->json)
		return;
	if (out->some[out->depth--])
		fprintf(out->file, "\n%*s", 2 * out->depth, "");
	fputc(bracket, out->file);
}

void info_out_begin(struct info_out *out, FILE *file, bool json)
{
	*out = (struct info_out){ .file = file, .json = json, .depth = 1 };
	if (json)
		fputc('{', file);
}

void info_out_end(struct info_out *out)
{
	if (out->json)
		fputs("\n}\n", out->file);
}

void info_out_section(struct info_out *out, const char *key, const char *heading)
{
	descend(out, key, '{');
	if (out->json)
		return;
	fprintf(out->file, "%s%s\n", out->some[0] ? "\n" : "", heading);
	out->some[0] = true;
}

void info_out_section_end(struct info_out *out)
{
	ascend(out, '}');
}

void info_out_array(struct info_out *out, const char *key)
{
	descend(out, key, '[');
}

void info_out_array_end(struct info_out *out)
{
	ascend(out, ']');
}

void info_out_object(struct info_out *out)
{
	descend(out, NULL, '{');
}

void info_out_object_end(struct info_out *out)
{
	ascend(out, '}');
}

/* Text: "  progress thread    ". */
static void print_label(struct info_out *out, const char *key)
{
	char label[32];
	snprintf(label, sizeof label, "%s", key);
	for (char *at = label; (at = strchr(at, '_'));)
		*at = ' ';
	fprintf(out->file, "  %-16s ", label);
}

void info_out_text(struct info_out *out, const char *key, const char *value)
{
	if (out->json) {
		begin_value(out, key);
		if (value)
			text_json(out->file, value);
		else
			fputs("null", out->file);
	} else if (value) {
		print_label(out, key);
		fprintf(out->file, "%s\n", value);
	}
}

void info_out_number(struct info_out *out, const char *key, long long value)
{
	if (out->json)
		begin_value(out, key);
	else
		print_label(out, key);
	fprintf(out->file, "%lld%s", value, out->json ? "" : "\n");
}

void info_out_flag(struct info_out *out, const char *key, bool value)
{
	if (out->json)
		begin_value(out, key);
	else
		print_label(out, key);
	fprintf(out->file, "%s%s", value ? "true" : "false", out->json ? "" : "\n");
}

void info_out_line(struct info_out *out, const char *format, ...)
{
	va_list arguments;
	if (out->json)
		return;
	va_start(arguments, format);
	vfprintf(out->file, format, arguments);
	va_end(arguments);
	fputc('\n', out->file);
}
