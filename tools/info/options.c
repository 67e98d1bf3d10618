/* SPDX-License-Identifier: Apache-2.0 */
/* Every option: what an engine of this environment has, where that comes from, and what it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/option.h"
#include "base/options.h"
#include "info.h"
#include "out.h"

#define VALUE_BYTES 256

extern char **environ;

/* One option as it is printed. */
struct row {
	const struct fy_option *option;
	char variable[FY_OPTION_NAME];
	const char *set; /* what the environment says; NULL: nothing */
	char value[VALUE_BYTES];
	const char *help, *refused;
};

static const char *help_of(const char *name)
{
	for (const struct info_help *help = info_help; help->name; help++)
		if (strcmp(help->name, name) == 0)
			return help->text;
	return "";
}

/* A text that is not set is off, unless the default is something. */
static void format_text(const struct fy_option *option, const char *text, char *value)
{
	snprintf(value, VALUE_BYTES, "%s", text ? text : option->preset ? "its default" : "none");
}

/* What the engine has, if there is one. */
static bool ask_engine(const struct row *row, ferry *engine, char *value)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	if (!engine || ferry_options_resolved(engine, &options) != FERRY_OK)
		return false;
	if (row->option->type == FY_OPTION_TEXT) {
		format_text(row->option, *fy_option_text_of(row->option, &options), value);
	} else {
		fy_option_format(row->option, fy_option_get(row->option, &options), value,
		                 VALUE_BYTES);
	}
	return true;
}

/* What an engine would have. Returns 0, FERRY_PENDING if that is known only then, or an error. */
static int resolve(const struct row *row, char *value)
{
	ferry_options none = FERRY_OPTIONS_INIT, resolved = FERRY_OPTIONS_INIT;
	if (row->option->type == FY_OPTION_TEXT) {
		int status = fy_option_resolve_text(row->option, &none, &resolved);
		if (status < 0)
			return status;
		const char **text = fy_option_text_of(row->option, &resolved);
		format_text(row->option, *text, value);
		free((void *)(uintptr_t)*text);
		return status;
	}
	int status = fy_option_resolve(row->option, &none, &resolved);
	if (status == FERRY_OK)
		fy_option_format(row->option, fy_option_get(row->option, &resolved), value,
		                 VALUE_BYTES);
	else
		snprintf(value, VALUE_BYTES, "%s", status > 0 ? "chosen at open" : "refused");
	return status;
}

static void look(struct row *row, const struct fy_option *option, struct info *info)
{
	*row = (struct row){ .option = option, .help = help_of(option->name) };
	fy_option_variable(option, row->variable);
	const char *set = getenv(row->variable);
	row->set = set && *set ? set : NULL;
	if (ask_engine(row, info->engine, row->value))
		return;
	if (resolve(row, row->value) < 0) {
		row->refused = info_failure();
		info->wrong = true;
	}
}

static void print_row(struct info_out *out, const struct row *row)
{
	const char *source = row->set ? "environment" : "default";
	info_out_object(out);
	if (out->json) {
		info_out_text(out, "name", row->option->name);
		info_out_text(out, "variable", row->variable);
		info_out_text(out, "value", row->value);
		info_out_text(out, "source", source);
		info_out_text(out, "set_to", row->set);
		info_out_text(out, "refused", row->refused);
		info_out_flag(out, "supported", !row->option->later);
		info_out_text(out, "help", row->help);
	}
	info_out_object_end(out);
	info_out_line(out, "  %-16s %-14s %s%s", row->option->name, row->value, source,
	              row->option->later ? "; this version does not have it" : "");
	info_out_line(out, "      %s", row->help);
	if (row->refused)
		info_out_line(out, "      REFUSED: %s", row->refused);
}

/* Variables that look like options and are none. */
static void print_unknown(struct info_out *out, struct info *info)
{
	char right[FY_OPTION_NAME], name[128];
	info_out_array(out, "unknown");
	for (char **entry = environ; *entry; entry++) {
		if (!fy_options_is_unknown(*entry, right))
			continue;
		snprintf(name, sizeof name, "%.*s", (int)strcspn(*entry, "="), *entry);
		info->wrong |= *right != '\0';
		info_out_object(out);
		if (out->json) {
			info_out_text(out, "variable", name);
			info_out_text(out, "nearest", *right ? right : NULL);
		}
		info_out_object_end(out);
		info_out_line(out, "  %s is no option%s%s%s", name, *right ? ": did you mean " : "",
		              right, *right ? "?" : "");
	}
	info_out_array_end(out);
}

void info_print_options(struct info_out *out, struct info *info)
{
	size_t count;
	const struct fy_option *table = fy_options_table(&count);
	struct row row;
	info_out_section(out, "options", "Options (FERRY_ and the name in upper case sets one)");
	info_out_array(out, "table");
	for (size_t i = 0; i < count; i++) {
		look(&row, &table[i], info);
		print_row(out, &row);
	}
	info_out_array_end(out);
	print_unknown(out, info);
	info_out_section_end(out);
}
