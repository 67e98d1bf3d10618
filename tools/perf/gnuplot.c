/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gnuplot.h"

/* ---- its language ------------------------------------------------------------------ */

/* Without "enhanced", in which _ and ^ have a meaning. */
const char *perf_gnuplot_terminal(const char *path)
{
	static const struct {
		const char *ending;
		const char *terminal;
	} known[] = {
		{ ".svg", "svg size 900,600 dynamic noenhanced background 'white' font 'sans,13'" },
		{ ".png", "pngcairo size 900,600 noenhanced font 'sans,10'" },
		{ ".pdf", "pdfcairo size 9in,6in noenhanced font 'sans,12'" },
	};
	size_t length = strlen(path), i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (length > 4 && strcmp(path + length - 4, known[i].ending) == 0)
			return known[i].terminal;
	return NULL;
}

void perf_gnuplot_quote(FILE *file, const char *text, bool tick)
{
	fputc('\'', file);
	for (; *text; text++) {
		fputc(*text, file);
		if (*text == '\'' || (tick && *text == '%'))
			fputc(*text, file);
	}
	fputc('\'', file);
}

FILE *perf_gnuplot_open(const char *input)
{
	FILE *file = fopen(input, "w");

	if (!file)
		fprintf(stderr, "%s: %s cannot be written: %s\n", program_invocation_short_name,
		        input, strerror(errno));
	return file;
}

/* ---- the program -------------------------------------------------------------------- */

/* Start gnuplot, whose stderr can be read from *said. 0, or an error number. */
static int start(const char *input, pid_t *child, int *said)
{
	char program[] = "gnuplot";
	char *const argv[] = { program, (char *)(uintptr_t)input, NULL };
	posix_spawn_file_actions_t actions;
	int ends[2], error;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
	error = posix_spawnp(child, program, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	*said = ends[0];
	if (error)
		close(ends[0]);
	return error;
}

/* Read all, so that gnuplot never waits for us, and keep the beginning. */
static void read_words(int said, char *words, size_t size)
{
	char more[512];
	size_t used = 0;
	ssize_t n;

	while ((n = read(said, more, sizeof(more))) > 0 || (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		if ((size_t)n > size - 1 - used)
			n = (ssize_t)(size - 1 - used);
		memcpy(words + used, more, (size_t)n);
		used += (size_t)n;
	}
	words[used] = '\0';
	close(said);
}

static bool ended_well(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool perf_gnuplot_run(const char *input)
{
	char words[1000];
	pid_t child = 0;
	int said = -1, error = start(input, &child, &said);

	if (error == ENOENT) {
		fprintf(stderr, "%s: gnuplot is not installed; its input is in %s\n",
		        program_invocation_short_name, input);
		return true;
	}
	if (error) {
		fprintf(stderr, "%s: gnuplot cannot be started: %s\n",
		        program_invocation_short_name, strerror(error));
		return false;
	}
	read_words(said, words, sizeof(words));
	if (ended_well(child))
		return true;
	fprintf(stderr, "%s: gnuplot could not draw %s, and says:\n%s\n",
	        program_invocation_short_name, input, words);
	return false;
}
