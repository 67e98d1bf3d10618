/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>

#include "../text/json.h"
#include "json.h"

/* What stands before a value: a comma, a new line, its name. */
static void begin(struct top_json *json, const char *name)
{
	if (json->depth) {
		fputs(json->empty[json->depth - 1] ? "\n" : ",\n", json->file);
		json->empty[json->depth - 1] = false;
		fprintf(json->file, "%*s", 2 * json->depth, "");
	}
	if (name) {
		text_json(json->file, name);
		fputs(": ", json->file);
	}
}

void top_json_open(struct top_json *json, const char *name, char bracket)
{
	begin(json, name);
	fputc(bracket, json->file);
	json->closing[json->depth] = bracket == '{' ? '}' : ']';
	json->empty[json->depth] = true;
	json->depth++;
}

void top_json_close(struct top_json *json)
{
	json->depth--;
	if (!json->empty[json->depth])
		fprintf(json->file, "\n%*s", 2 * json->depth, "");
	fputc(json->closing[json->depth], json->file);
	if (!json->depth)
		fputc('\n', json->file);
}

void top_json_count(struct top_json *json, const char *name, uint64_t value)
{
	begin(json, name);
	fprintf(json->file, "%" PRIu64, value);
}

void top_json_integer(struct top_json *json, const char *name, int64_t value)
{
	begin(json, name);
	fprintf(json->file, "%" PRId64, value);
}

void top_json_real(struct top_json *json, const char *name, double value)
{
	begin(json, name);
	if (isfinite(value))
		fprintf(json->file, "%.9g", value);
	else
		fputs("null", json->file);
}

void top_json_truth(struct top_json *json, const char *name, bool value)
{
	begin(json, name);
	fputs(value ? "true" : "false", json->file);
}

void top_json_text(struct top_json *json, const char *name, const char *value)
{
	begin(json, name);
	if (value)
		text_json(json->file, value);
	else
		fputs("null", json->file);
}
