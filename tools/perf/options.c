/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gnuplot.h"
#include "options.h"
#include "words.h"

static const struct perf_mode *const modes[] = {
	&perf_rate_mode,      &perf_call_mode,    &perf_isend_mode,  &perf_latency_mode,
	&perf_bandwidth_mode, &perf_overlap_mode, &perf_idle_mode,   &perf_alltoall_mode,
	&perf_halo_mode,      &perf_farm_mode,    &perf_memory_mode,
};
#define MODES_COUNT (sizeof(modes) / sizeof(modes[0]))
#define SIZE_MAX_BYTES (1u << 30)

/* What is being read, and where an error message goes. */
struct reader {
	struct perf_options *options;
	char *error;
	size_t error_size;
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

/* ---- values ---------------------------------------------------------------------- */

static bool read_number(struct reader *reader, const char *name, const char *text, size_t least,
                        size_t most, size_t *value)
{
	const char *end;

	if (!perf_read_size(text, value, &end) || *end != '\0' || *value < least || *value > most)
		return complain(reader, "--%s takes a number from %zu to %zu, not '%s'", name,
		                least, most, text);
	return true;
}

static bool read_int(struct reader *reader, const char *name, const char *text, int least, int most,
                     int *value)
{
	size_t number;

	if (!read_number(reader, name, text, (size_t)least, (size_t)most, &number))
		return false;
	*value = (int)number;
	return true;
}

static bool read_list(struct reader *reader, const char *name, const char *text, size_t most,
                      size_t *values, size_t *count)
{
	const char *at = text;

	for (*count = 0; *count < PERF_LIST_MAX; at++) {
		if (!perf_read_size(at, &values[*count], &at) || values[*count] < 1 ||
		    values[*count] > most)
			break;
		(*count)++;
		if (*at == '\0')
			return true;
		if (*at != ',')
			break;
	}
	return complain(
		reader,
		"--%s takes at most %d numbers from 1 to %zu with commas between them, not '%s'",
		name, PERF_LIST_MAX, most, text);
}

static bool read_seconds(struct reader *reader, const char *text, double *value)
{
	char *end;

	*value = strtod(text, &end);
	if (end == text || *end != '\0' || !isfinite(*value) || *value < 0.001 || *value > 3600)
		return complain(reader, "--duration takes seconds from 0.001 to 3600, not '%s'",
		                text);
	return true;
}

static bool read_threads(struct reader *reader, const char *text)
{
	struct perf_options *options = reader->options;
	size_t values[PERF_LIST_MAX], i;

	if (!read_list(reader, "threads", text, PERF_THREADS_MAX, values, &options->threads_count))
		return false;
	for (i = 0; i < options->threads_count; i++)
		options->threads[i] = (int)values[i];
	return true;
}

static bool read_level(struct reader *reader, const char *text)
{
	static const struct {
		const char *name;
		int level;
	} levels[] = {
		{ "funneled", MPI_THREAD_FUNNELED },
		{ "serialized", MPI_THREAD_SERIALIZED },
		{ "multiple", MPI_THREAD_MULTIPLE },
	};
	size_t i;

	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(levels[i].name, text) == 0) {
			reader->options->level = levels[i].level;
			return true;
		}
	}
	return complain(reader, "--level takes funneled, serialized or multiple, not '%s'", text);
}

static bool read_picture(struct reader *reader, const char *path)
{
	if (!perf_gnuplot_terminal(path))
		return complain(
			reader,
			"--plot takes the name of a file that ends in .svg, .png or .pdf, not '%s'",
			path);
	reader->options->plot = path;
	return true;
}

/* ---- peers ------------------------------------------------------------------------- */

bool perf_options_has_peer(const struct perf_options *options, const char *name)
{
	return strcmp(options->peers, "all") == 0 || perf_in_list(options->peers, name);
}

bool perf_options_has_form(const struct perf_options *options, const char *name)
{
	return !options->forms || perf_in_list(options->forms, name);
}

/* Does the mode have a peer, or (`engine`) a form of Ferry, of this name? */
static bool mode_has(const struct perf_mode *mode, bool engine, const char *name, size_t length)
{
	size_t i;

	for (i = 0; mode->contestants[i]; i++)
		if (mode->contestants[i]->engine == engine && mode->contestants[i] != mode->alone &&
		    strlen(mode->contestants[i]->name) == length &&
		    memcmp(mode->contestants[i]->name, name, length) == 0)
			return true;
	return false;
}

static void list_names(const struct perf_mode *mode, bool engine, char *text, size_t size)
{
	size_t i, used = 0;

	snprintf(text, size, "none");
	for (i = 0; mode->contestants[i]; i++)
		if (mode->contestants[i]->engine == engine && mode->contestants[i] != mode->alone &&
		    used < size)
			used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
			                         mode->contestants[i]->name);
}

static bool check_names(struct reader *reader, bool engine, const char *list)
{
	const struct perf_mode *mode = reader->options->mode;
	char known[256];
	size_t part;

	for (; *list; list += part + (list[part] == ',')) {
		part = strcspn(list, ",");
		if (mode_has(mode, engine, list, part))
			continue;
		list_names(mode, engine, known, sizeof(known));
		return complain(reader, "--%s: %s has no %s '%.*s'; it has: %s",
		                engine ? "forms" : "peers", mode->name, engine ? "form" : "peer",
		                (int)part, list, known);
	}
	return true;
}

static bool check_contestants(struct reader *reader)
{
	const struct perf_options *options = reader->options;

	if (options->preload &&
	    (strchr(options->preload, ',') ||
	     !mode_has(options->mode, false, options->preload, strlen(options->preload))))
		return complain(reader, "--preload takes the name of one peer of %s, not '%s'",
		                options->mode->name, options->preload);
	if (!options->preload && (options->second || options->barrier))
		return complain(reader, "--second and --barrier are for --preload");
	if (options->forms && !check_names(reader, true, options->forms))
		return false;
	return strcmp(options->peers, "all") == 0 || strcmp(options->peers, "none") == 0 ||
	       check_names(reader, false, options->peers);
}

/* ---- the command line ---------------------------------------------------------------- */

enum {
	OPTION_THREADS = 't',
	OPTION_SIZE = 's',
	OPTION_WINDOW = 'w',
	OPTION_DURATION = 'd',
	OPTION_REPS = 'r',
	OPTION_FUTURES = 'f',
	OPTION_PEERS = 'p',
	OPTION_HELP = 'h',
	OPTION_FLOOD = 256,
	OPTION_EVERY,
	OPTION_TRANSFER,
	OPTION_RESULT,
	OPTION_WORK,
	OPTION_BESIDE,
	OPTION_BOUND,
	OPTION_BOTH,
	OPTION_ANYWHERE,
	OPTION_FORMS,
	OPTION_KEEP,
	OPTION_LAND,
	OPTION_LEVEL,
	OPTION_JSON,
	OPTION_PLOT,
	OPTION_PROGRESS,
	OPTION_COUNTED,
	OPTION_PRELOAD,
	OPTION_SECOND,
	OPTION_BARRIER,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{ "threads", required_argument, NULL, OPTION_THREADS },
	{ "size", required_argument, NULL, OPTION_SIZE },
	{ "window", required_argument, NULL, OPTION_WINDOW },
	{ "duration", required_argument, NULL, OPTION_DURATION },
	{ "reps", required_argument, NULL, OPTION_REPS },
	{ "futures", no_argument, NULL, OPTION_FUTURES },
	{ "counted", no_argument, NULL, OPTION_COUNTED },
	{ "peers", required_argument, NULL, OPTION_PEERS },
	{ "preload", required_argument, NULL, OPTION_PRELOAD },
	{ "second", no_argument, NULL, OPTION_SECOND },
	{ "barrier", no_argument, NULL, OPTION_BARRIER },
	{ "flood", required_argument, NULL, OPTION_FLOOD },
	{ "every", required_argument, NULL, OPTION_EVERY },
	{ "transfer", required_argument, NULL, OPTION_TRANSFER },
	{ "result", required_argument, NULL, OPTION_RESULT },
	{ "work", required_argument, NULL, OPTION_WORK },
	{ "beside", required_argument, NULL, OPTION_BESIDE },
	{ "bound", no_argument, NULL, OPTION_BOUND },
	{ "both", no_argument, NULL, OPTION_BOTH },
	{ "anywhere", no_argument, NULL, OPTION_ANYWHERE },
	{ "forms", required_argument, NULL, OPTION_FORMS },
	{ "keep-engine", no_argument, NULL, OPTION_KEEP },
	{ "land", no_argument, NULL, OPTION_LAND },
	{ "level", required_argument, NULL, OPTION_LEVEL },
	{ "json", optional_argument, NULL, OPTION_JSON },
	{ "plot", required_argument, NULL, OPTION_PLOT },
	{ "progress", no_argument, NULL, OPTION_PROGRESS },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static const char help_options[] =
	"  -t, --threads LIST   posting threads, such as 4 or 1,4,16\n"
	"  -s, --size LIST      bytes of a message, such as 64 or 8,64,1K,1M\n"
	"  -w, --window N       operations of a thread under way, and of a peer\n"
	"  -d, --duration S     seconds of one trial\n"
	"  -r, --reps N         trials of each contestant; they take turns\n"
	"  -f, --futures        rate: a future for each post, a window of them awaited;\n"
	"                       latency: posts, each awaited, instead of calls\n"
	"      --counted        rate: also posts that count, into a counter of each thread\n"
	"                       and into one of all\n"
	"  -p, --peers LIST     whom to compare with; all, none, or names with commas\n"
	"                       between; otherwise plain, halo and farm: multiple\n"
	"      --forms LIST     bandwidth, farm, halo: only these forms of Ferry, such\n"
	"                       as ferry-isend\n"
	"      --preload PEER   this peer through libferry-preload instead of Ferry, beside\n"
	"                       peers without it (otherwise itself): start the job by\n"
	"                       ferry-preload\n"
	"      --second         --preload: a second thread has made one call before\n"
	"      --barrier        --preload: one more thread of rank 0 sits in MPI_Barrier\n"
	"      --flood N        latency: N more threads that post without a pause\n"
	"      --every MS       latency: so many milliseconds of sleep before each call\n"
	"      --transfer SIZE  latency: one more thread that sends attachments of so\n"
	"                       many bytes, one after the other\n"
	"      --both           latency: both ranks call each other at once; the peers,\n"
	"                       and Ferry alone, call one way\n"
	"      --anywhere       handlers of FERRY_ANYWHERE instead of inline ones\n"
	"      --result SIZE    farm: bytes of a result; -s is that of a task\n"
	"      --work US        farm: microseconds of a processor in a task\n"
	"      --beside N       N busy processes beside each rank\n"
	"      --bound          each of them bound to a processor, all in turn\n"
	"      --land           bandwidth: only where the receiver names the memory;\n"
	"                       overlap, latency --transfer: it does so\n"
	"      --keep-engine    leave the engine open, idle, while peers run\n"
	"      --level LEVEL    ask MPI for funneled, serialized or multiple; below\n"
	"                       multiple only the peers that need no more run\n"
	"      --json[=FILE]    all values as JSON, instead of the table or into FILE\n"
	"      --plot FILE.svg  draw a picture with gnuplot, also FILE.png and FILE.pdf;\n"
	"                       gnuplot's input is FILE.svg.gp\n"
	"      --progress       say what runs, also where it is no terminal that hears\n"
	"                       it (mpiexec stands between)\n"
	"  -h, --help           this text\n"
	"      --version        the version of the library\n";

void perf_options_help(FILE *file)
{
	char peers[256];
	size_t i;

	fputs("Usage: mpiexec -n RANKS ferry-perf MODE [OPTION...]\n\n"
	      "Measures Ferry beside plain MPI in one job and prints medians and "
	      "ratios.\n\nModes:\n",
	      file);
	for (i = 0; i < MODES_COUNT; i++) {
		list_names(modes[i], false, peers, sizeof(peers));
		fprintf(file, "  %-10s %s\n             peers: %s\n", modes[i]->name,
		        modes[i]->summary, peers);
	}
	fprintf(file, "\nOptions:\n%s", help_options);
}

static bool apply_flag(struct reader *reader, int option)
{
	struct perf_options *options = reader->options;

	switch (option) {
	case OPTION_FUTURES:
		options->futures = true;
		return true;
	case OPTION_COUNTED:
		options->counted = true;
		return true;
	case OPTION_BOUND:
		options->bound = true;
		return true;
	case OPTION_SECOND:
		options->second = true;
		return true;
	case OPTION_BARRIER:
		options->barrier = true;
		return true;
	case OPTION_BOTH:
		options->both = true;
		return true;
	case OPTION_ANYWHERE:
		options->anywhere = true;
		return true;
	case OPTION_KEEP:
		options->keep_engine = true;
		return true;
	case OPTION_LAND:
		options->land = true;
		return true;
	case OPTION_PROGRESS:
		options->progress = true;
		return true;
	default:
		return complain(reader, "see ferry-perf --help for the options that there are");
	}
}

/* Options that only some modes have. */
static bool apply_special(struct reader *reader, int option, const char *value)
{
	struct perf_options *options = reader->options;

	switch (option) {
	case OPTION_FLOOD:
		return read_int(reader, "flood", value, 0, PERF_THREADS_MAX, &options->flood);
	case OPTION_EVERY:
		return read_int(reader, "every", value, 1, 10000, &options->every);
	case OPTION_TRANSFER:
		return read_number(reader, "transfer", value, 1, SIZE_MAX_BYTES,
		                   &options->transfer);
	case OPTION_RESULT:
		return read_number(reader, "result", value, 8, SIZE_MAX_BYTES, &options->result);
	case OPTION_WORK:
		return read_int(reader, "work", value, 0, 1000000, &options->work);
	case OPTION_PRELOAD:
		options->preload = value;
		return true;
	case OPTION_FORMS:
		options->forms = value;
		return true;
	default:
		return apply_flag(reader, option);
	}
}

static bool apply(struct reader *reader, int option, const char *value)
{
	struct perf_options *options = reader->options;

	switch (option) {
	case OPTION_THREADS:
		return read_threads(reader, value);
	case OPTION_SIZE:
		return read_list(reader, "size", value, SIZE_MAX_BYTES, options->sizes,
		                 &options->sizes_count);
	case OPTION_WINDOW:
		return read_int(reader, "window", value, 1, 65536, &options->window);
	case OPTION_DURATION:
		return read_seconds(reader, value, &options->duration);
	case OPTION_REPS:
		return read_int(reader, "reps", value, 1, 1000, &options->repetitions);
	case OPTION_LEVEL:
		return read_level(reader, value);
	case OPTION_BESIDE:
		return read_int(reader, "beside", value, 0, PERF_BESIDE_MAX, &options->beside);
	case OPTION_PEERS:
		options->peers = value;
		return true;
	case OPTION_JSON:
		options->json = value ? value : "-";
		return true;
	case OPTION_PLOT:
		return read_picture(reader, value);
	default:
		return apply_special(reader, option, value);
	}
}

static bool read_mode(struct reader *reader, const char *name)
{
	size_t i;

	for (i = 0; i < MODES_COUNT; i++) {
		if (strcmp(modes[i]->name, name) == 0) {
			reader->options->mode = modes[i];
			return true;
		}
	}
	return complain(reader,
	                "there is no mode '%s'; see ferry-perf --help for those that there are",
	                name);
}

static void set_defaults(struct perf_options *options)
{
	const struct perf_mode *mode = options->mode;

	if (options->threads_count == 0)
		options->threads[options->threads_count++] = mode->threads;
	if (options->sizes_count == 0)
		options->sizes[options->sizes_count++] = mode->size;
	if (options->result == 0)
		options->result = mode->result;
	if (options->window == 0)
		options->window = mode->window;
	if (options->duration == 0)
		options->duration = mode->duration;
	if (options->repetitions == 0)
		options->repetitions = mode->repetitions;
	if (!options->peers)
		options->peers = options->preload                       ? options->preload
		                 : mode_has(mode, false, "plain", 5)    ? "plain"
		                 : mode_has(mode, false, "multiple", 8) ? "multiple"
		                                                        : "none";
}

static enum perf_request read_words(struct reader *reader, int argc, char **argv)
{
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":t:s:w:d:r:fp:h", long_options, NULL)) != -1) {
		if (option == OPTION_HELP)
			return PERF_HELP;
		if (option == OPTION_VERSION)
			return PERF_VERSION;
		if (option == ':')
			return complain(reader, "%s needs a value", argv[optind - 1]), PERF_WRONG;
		if (option == '?')
			return complain(reader,
			                "there is no option %s, or it takes no value; see "
			                "ferry-perf --help",
			                argv[optind - 1]),
			       PERF_WRONG;
		if (!apply(reader, option, optarg))
			return PERF_WRONG;
	}
	if (optind == argc)
		return complain(reader, "say what to measure, as in: ferry-perf rate; see --help"),
		       PERF_WRONG;
	if (optind + 1 != argc)
		return complain(reader, "one mode at a time; '%s' is one too many",
		                argv[optind + 1]),
		       PERF_WRONG;
	return read_mode(reader, argv[optind]) ? PERF_RUN : PERF_WRONG;
}

enum perf_request perf_options_parse(struct perf_options *options, int argc, char **argv,
                                     char *error, size_t error_size)
{
	struct reader reader = { options, error, error_size };
	enum perf_request request;

	memset(options, 0, sizeof(*options));
	options->level = MPI_THREAD_MULTIPLE;
	options->progress = isatty(STDERR_FILENO) != 0;
	request = read_words(&reader, argc, argv);
	if (request != PERF_RUN)
		return request;
	set_defaults(options);
	return check_contestants(&reader) ? PERF_RUN : PERF_WRONG;
}
