/* SPDX-License-Identifier: Apache-2.0 */
#include "wordcount_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS_MAX = 1024 };

static char *const default_names[] = { "/usr/include", "/usr/share/common-licenses" };
static const uint64_t default_bytes = 32000000;

static const char usage[] =
	"usage: wordcount [--threads T] [--verify] [--top K] [--bytes N] [FILE|DIR ...]\n"
	"Counts the words (runs of ASCII letters, in lower case) of all files named or below DIR.\n"
	"  --threads T   T threads on each rank read and post (4)\n"
	"  --top K       print the K most frequent words (20)\n"
	"  --bytes N     read the files again and again, up to N bytes (each file once;\n"
	"                32000000 for the default files)\n"
	"  --verify      count again with one thread, without Ferry, and compare every count\n"
	"The default files are those below /usr/include and /usr/share/common-licenses.\n"
	"Start it under mpiexec for more than one rank.\n";

/* Reads a number of at most `most`, or leaves the program. */
static uint64_t number(const char *option, const char *text, uint64_t least, uint64_t most)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value < least || value > most) {
		fprintf(stderr, "wordcount: --%s %s: give a number from %ju to %ju\n", option, text,
		        (uintmax_t)least, (uintmax_t)most);
		exit(2);
	}
	return value;
}

void options_parse(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
		{ "threads", required_argument, NULL, 't' },
		{ "top", required_argument, NULL, 'k' },
		{ "bytes", required_argument, NULL, 'b' },
		{ "verify", no_argument, NULL, 'v' },
		{ "corrupt", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int letter;

	*options = (struct options){ .threads = 4,
		                     .top = 20,
		                     .corrupt = -1,
		                     .names = default_names,
		                     .count = sizeof default_names / sizeof *default_names };
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (letter) {
		case 't':
			options->threads = (unsigned)number("threads", optarg, 1, THREADS_MAX);
			break;
		case 'k':
			options->top = number("top", optarg, 0, UINT64_MAX);
			break;
		case 'b':
			options->bytes = number("bytes", optarg, 1, INT64_MAX);
			break;
		case 'c':
			options->corrupt = (int)number("corrupt", optarg, 0, INT32_MAX);
			break;
		case 'v':
			options->verify = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		options->names = argv + optind;
		options->count = (size_t)(argc - optind);
	} else if (!options->bytes) {
		options->bytes = default_bytes;
	}
}
