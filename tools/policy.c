/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of the policy, for scripts: `policy table` prints what stands in doc/policy.md,
 * `policy list` a line for each that can be set: name, kind, value that switches it off (or -), and
 * the test of a bound one. It sees the library's insides. */
#include "base/option.h"
#include "shared/policy_table.h"

#include <stdio.h>
#include <string.h>

static const char *const kinds[] = { "bound", "speed", "constant" };

/* As a person would write it; "-" where there is none. */
static const char *value(const struct fy_policy_parameter *a, int64_t number, char text[32])
{
	if (number == FY_POLICY_NO_OFF)
		return "-";
	if (number == INT64_MAX)
		snprintf(text, 32, "%lld", (long long)number);
	else
		fy_option_format(&a->option, number, text, 32);
	return text;
}

/* Behind "policy_". */
static const char *name(const struct fy_policy_parameter *a)
{
	return strchr(a->option.name, '_') + 1;
}

/* Is its range open? */
static bool is_open(const struct fy_policy_parameter *a)
{
	return a->option.max == INT64_MAX ||
	       (a->option.type == FY_OPTION_COUNT && a->option.max >= INT32_MAX);
}

static void print_range(const struct fy_policy_parameter *a)
{
	char min[32], max[32], off[32];
	if (a->kind == FY_POLICY_CONSTANT)
		printf("not to be set | - | ");
	else if (!is_open(a))
		printf("%s to %s | %s | ", value(a, a->option.min, min),
		       value(a, a->option.max, max), value(a, a->off, off));
	else
		printf("%s or more | %s | ", value(a, a->option.min, min),
		       a->off == a->option.max ? "the most" : value(a, a->off, off));
}

static void print_row(const struct fy_policy_parameter *a)
{
	char preset[32];
	printf("| `%s` | %s | %s | %s | ", name(a), kinds[a->kind],
	       a->option.type == FY_OPTION_TIME ? "time" : "number",
	       value(a, a->option.preset, preset));
	print_range(a);
	printf("%s | %s", a->decision, a->help);
	if (a->test)
		printf(" (`%s`)", a->test);
	printf(" |\n");
}

static void print_line(const struct fy_policy_parameter *a)
{
	char off[32];
	if (a->kind != FY_POLICY_CONSTANT)
		printf("%s %s %s %s\n", name(a), kinds[a->kind], value(a, a->off, off),
		       a->test ? a->test : "");
}

int main(int argc, char **argv)
{
	size_t count;
	const struct fy_policy_parameter *table = fy_policy_table(&count);
	bool list = argc == 2 && strcmp(argv[1], "list") == 0;
	if (!list && !(argc == 2 && strcmp(argv[1], "table") == 0)) {
		fprintf(stderr, "policy: \"policy table\" or \"policy list\"\n");
		return 2;
	}
	for (size_t i = 0; i < count; i++)
		if (list)
			print_line(&table[i]);
		else
			print_row(&table[i]);
	return 0;
}
