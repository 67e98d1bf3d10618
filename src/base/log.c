/* SPDX-License-Identifier: Apache-2.0 */
/* The log: where an engine says what a person should know. Any thread. Off unless the option `log`
 * is set. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/fail.h"

#define LINE_BYTES 1024

int fy_log_say_fd = STDERR_FILENO;

struct fy_log {
	int fd;
	int rank;
	int64_t opened; /* lines carry the time since then */
};

/* The name with %r and %% replaced. False: it has another %, or does not fit. */
static bool expand(const char *where, int rank, char *name, size_t nbytes)
{
	size_t used = 0;

	for (; *where; where++) {
		int n = 1;
		if (*where != '%')
			name[used] = *where;
		else if (*++where == 'r')
			n = snprintf(name + used, nbytes - used, "%d", rank);
		else if (*where == '%')
			name[used] = '%';
		else
			return false;
		used += (size_t)n;
		if (used + 1 >= nbytes)
			return false;
	}
	name[used] = '\0';
	return true;
}

static int open_file(const char *where, int rank)
{
	char name[4096];

	if (!expand(where, rank, name, sizeof name))
		return fy_fail(FERRY_EINVAL,
		               "log=%.100s is no file name: it is too long, or has a %% that is "
		               "followed by neither r (the rank) nor %%",
		               where);
	int fd;
	do
		fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return fy_fail(FERRY_EINVAL,
		               "the log %.120s cannot be opened: %s; name a file that can be "
		               "written, or stderr",
		               name, strerror(errno));
	return fd;
}

int fy_log_open(const char *where, int rank, struct fy_log **log_p)
{
	struct fy_log *log;
	int fd = STDERR_FILENO;

	if (!where) {
		*log_p = NULL;
		return FERRY_OK;
	}
	if (strcmp(where, "stderr") != 0 && (fd = open_file(where, rank)) < 0)
		return fd;
	log = malloc(sizeof *log);
	if (!log) {
		if (fd != STDERR_FILENO)
			close(fd);
		return fy_fail(FERRY_ENOMEM, "no memory for the log");
	}
	*log = (struct fy_log){ .fd = fd, .rank = rank, .opened = fy_clock_now() };
	*log_p = log;
	return FERRY_OK;
}

void fy_log_close(struct fy_log *log)
{
	if (log && log->fd != STDERR_FILENO)
		close(log->fd);
	free(log);
}

static size_t at_most(int length, size_t room)
{
	return length < 0 ? 0 : (size_t)length < room ? (size_t)length : room - 1;
}

/* Errors are ignored: a log that cannot be written is no reason to stop. */
static void write_line(int fd, char *line, size_t used)
{
	line[used++] = '\n';
	ssize_t written;
	do
		written = write(fd, line, used);
	while (written < 0 && errno == EINTR);
}

static void log_text(struct fy_log *log, const char *format, va_list arguments)
{
	char line[LINE_BYTES + 1];
	/* No floating point: some locales write a comma instead of the point. */
	long long us = (fy_clock_now() - log->opened) / 1000;
	size_t used = at_most(snprintf(line, LINE_BYTES, "ferry[%d] %lld.%06lld ", log->rank,
	                               us / 1000000, us % 1000000),
	                      LINE_BYTES);
	used += at_most(vsnprintf(line + used, LINE_BYTES - used, format, arguments),
	                LINE_BYTES - used);
	write_line(log->fd, line, used);
}

void fy_log(struct fy_log *log, const char *format, ...)
{
	va_list arguments;

	if (!log)
		return;
	int kept = errno;
	va_start(arguments, format);
	log_text(log, format, arguments);
	va_end(arguments);
	errno = kept;
}

void fy_log_say(struct fy_log *log, int rank, const char *format, ...)
{
	char line[LINE_BYTES + 1];
	va_list arguments, again;

	int kept = errno;
	size_t used = at_most(rank >= 0 ? snprintf(line, LINE_BYTES, "ferry: rank %d: ", rank)
	                                : snprintf(line, LINE_BYTES, "ferry: "),
	                      LINE_BYTES);
	va_start(arguments, format);
	va_copy(again, arguments);
	used += at_most(vsnprintf(line + used, LINE_BYTES - used, format, arguments),
	                LINE_BYTES - used);
	write_line(fy_log_say_fd, line, used);
	/* a log on the same descriptor has the line already */
	if (log && log->fd != fy_log_say_fd)
		log_text(log, format, again);
	va_end(again);
	va_end(arguments);
	errno = kept;
}
