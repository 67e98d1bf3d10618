/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../perf/gnuplot.h"
#include "ferry.h"
#include "options.h"

/* What is being read, and where an error message goes. */
struct reader {
	struct top_options *options;
	char *error;
	size_t error_size;
	int forms; /* how many were asked for */
};

static bool complain(struct reader *reader, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static bool complain(struct reader *reader, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reader->error, reader->error_size, format, arguments);
	va_end(arguments);
	return false;
}

/* ---- values ------------------------------------------------------------------------------ */

static bool read_interval(struct reader *reader, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end != '\0' || !isfinite(seconds) || seconds < 0.1 || seconds > 3600)
		return complain(reader, "--interval takes seconds from 0.1 to 3600, not '%s'",
		                text);
	reader->options->interval = (int64_t)(seconds * 1e9);
	reader->options->interval_given = true;
	return true;
}

static bool read_count(struct reader *reader, const char *text)
{
	char *end;

	errno = 0;
	reader->options->count = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno || reader->options->count < 1)
		return complain(reader, "--count takes a number of tables from 1 on, not '%s'",
		                text);
	return true;
}

static bool read_directory(struct reader *reader, const char *text)
{
	if (!*text)
		return complain(reader, "--directory takes the name of a directory, not an empty "
		                        "one");
	reader->options->directory = text;
	return true;
}

static bool set_form(struct reader *reader, enum top_form form)
{
	reader->options->form = form;
	reader->forms++;
	return true;
}

static bool set_plot(struct reader *reader, const char *picture)
{
	if (picture && !perf_gnuplot_terminal(picture))
		return complain(reader,
		                "--plot takes nothing, or the name of a file that ends in .svg, "
		                ".png or .pdf, not '%s'",
		                picture);
	reader->options->picture = picture;
	return set_form(reader, TOP_PLOT);
}

/* ---- the command line -------------------------------------------------------------------- */

enum {
	OPTION_HELP = 'h',
	OPTION_ONCE = '1',
	OPTION_INTERVAL = 'i',
	OPTION_COUNT = 'n',
	OPTION_DIRECTORY = 'd',
	OPTION_JSON = 256,
	OPTION_PROMETHEUS,
	OPTION_PLOT,
	OPTION_DEAD,
	OPTION_CLEAN,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{ "once", no_argument, NULL, OPTION_ONCE },
	{ "interval", required_argument, NULL, OPTION_INTERVAL },
	{ "count", required_argument, NULL, OPTION_COUNT },
	{ "directory", required_argument, NULL, OPTION_DIRECTORY },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "prometheus", no_argument, NULL, OPTION_PROMETHEUS },
	{ "plot", optional_argument, NULL, OPTION_PLOT },
	{ "dead", no_argument, NULL, OPTION_DEAD },
	{ "clean", no_argument, NULL, OPTION_CLEAN },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

void top_options_help(FILE *file)
{
	fputs("Usage: ferry-top [OPTION...] [ENGINE]\n"
	      "\n"
	      "Shows the engines of this host that are yours, what is wrong first. Their\n"
	      "processes notice nothing of it, and may hang or be dead.\n"
	      "\n"
	      "ENGINE is a rank (3), a process (pid:1234), or a part of the name of a\n"
	      "program or a file: with it, the peers, open operations, ops, errors and times\n"
	      "of each engine that it fits.\n"
	      "\n"
	      "Options:\n"
	      "  -1, --once           one table, and no screen of its own; the default where\n"
	      "                       the output is no terminal\n"
	      "  -n, --count N        N tables, one after the other\n"
	      "  -i, --interval S     seconds between two readings, of which the rates are\n"
	      "                       the difference; 1, and 0.5 for --once and --json\n"
	      "  -d, --directory DIR  where the files are, if not where engines put them\n"
	      "                       without the option monitor\n"
	      "      --json           all figures as JSON\n"
	      "      --prometheus     all counters in the text format of Prometheus\n"
	      "      --plot[=FILE]    how long operations took in each stage, drawn in text,\n"
	      "                       or by gnuplot into FILE.svg, .png or .pdf\n"
	      "      --dead           only engines whose process is gone: until when they\n"
	      "                       lived, and what was open\n"
	      "      --clean          take the files of these away\n"
	      "  -h, --help           this text\n"
	      "      --version        the version\n"
	      "\n"
	      "Keys: q ends, up and down choose, enter shows one, b goes back, d shows the\n"
	      "dead alone, p draws times, the space bar reads at once.\n"
	      "\n"
	      "The status is 1 if something is wrong with an engine, or a file cannot be\n"
	      "read, and 2 if the command line is wrong.\n",
	      file);
}

static bool apply(struct reader *reader, int option, const char *value)
{
	switch (option) {
	case OPTION_ONCE:
		return reader->options->once = true;
	case OPTION_INTERVAL:
		return read_interval(reader, value);
	case OPTION_COUNT:
		return read_count(reader, value);
	case OPTION_DIRECTORY:
		return read_directory(reader, value);
	case OPTION_JSON:
		return set_form(reader, TOP_JSON);
	case OPTION_PROMETHEUS:
		return set_form(reader, TOP_PROMETHEUS);
	case OPTION_PLOT:
		return set_plot(reader, value);
	case OPTION_DEAD:
		return reader->options->dead = true;
	default: /* OPTION_CLEAN */
		return reader->options->clean = true;
	}
}

/* Combinations of which one would be without effect. */
static bool check(struct reader *reader)
{
	const struct top_options *options = reader->options;

	if (reader->forms > 1)
		return complain(reader, "one of --json, --prometheus and --plot at a time");
	if (options->count && (options->once || options->form != TOP_TABLE))
		return complain(reader, "--count is for tables, and --once and --json print one");
	if (options->clean && options->form != TOP_TABLE)
		return complain(reader, "--clean says what it took away, and has no other form");
	if (options->clean && (options->count || options->once || options->interval_given))
		return complain(reader, "--clean looks once, and takes neither --once, --count "
		                        "nor --interval");
	if (options->interval_given && options->form == TOP_PROMETHEUS)
		return complain(reader, "--prometheus prints counters, no rates, and takes no "
		                        "--interval");
	return true;
}

static bool read_word(struct reader *reader, int argc, char **argv)
{
	if (optind + 1 < argc)
		return complain(reader, "one engine at a time; '%s' is one too many",
		                argv[optind + 1]);
	reader->options->which = argv[optind];
	if (optind < argc && !*argv[optind])
		return complain(reader, "an engine is a rank, pid:N or a name, and not empty");
	return check(reader);
}

enum top_request top_options_parse(struct top_options *options, int argc, char **argv, char *error,
                                   size_t error_size)
{
	struct reader reader = { options, error, error_size, 0 };
	int option;

	memset(options, 0, sizeof(*options));
	options->interval = FERRY_S(1);
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":1i:n:d:h", long_options, NULL)) != -1) {
		if (option == OPTION_HELP)
			return TOP_HELP;
		if (option == OPTION_VERSION)
			return TOP_VERSION;
		if (option == ':')
			return complain(&reader, "%s needs a value", argv[optind - 1]), TOP_WRONG;
		if (option == '?')
			return complain(&reader,
			                "there is no option %s, or it takes no value; see "
			                "ferry-top --help",
			                argv[optind - 1]),
			       TOP_WRONG;
		if (!apply(&reader, option, optarg))
			return TOP_WRONG;
	}
	return read_word(&reader, argc, argv) ? TOP_RUN : TOP_WRONG;
}
