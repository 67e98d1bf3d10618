/* SPDX-License-Identifier: Apache-2.0 */
/* The log: where an engine says what a person should know. Any thread. Nothing here allocates once
 * the log is open. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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
#include "base/order.h"
#include "base/place.h"
#include "base/listener.h"

#define LINE_BYTES 1024
#define NAME_BYTES 16 /* of a thread, as the kernel has it */
#define OFTEN_AGAIN FERRY_S(60)

int fy_log_say_fd = STDERR_FILENO;

/* Lines of one kind that may come often. */
struct often {
	uint32_t n; /* how many there were: atomic add by threads that log */
	/* when (ns) the last one was written: written and read by these threads (relaxed: a line
	 * too many, or one that comes later, does no harm) */
	uint64_t at;
};

struct fy_log {
	int fd;    /* constant; -1: the option is off */
	int level; /* constant once other threads see it: what is less important is left out */
	int rank;
	int64_t opened; /* lines carry the time since then */
	struct often often[FY_OFTENS];
};

static const char *const level_names[] = {
	[FERRY_LOG_ERROR] = "error",
	[FERRY_LOG_WARNING] = "warning",
	[FERRY_LOG_INFO] = "info",
	[FERRY_LOG_DEBUG] = "debug",
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
	int fd = -1;

	if (where)
		fd = strcmp(where, "stderr") == 0 ? STDERR_FILENO : open_file(where, rank);
	if (where && fd < 0)
		return fd;
	log = malloc(sizeof *log);
	if (!log) {
		if (where && fd != STDERR_FILENO)
			close(fd);
		return fy_fail(FERRY_ENOMEM, "no memory for the log");
	}
	*log = (struct fy_log){
		.fd = fd, .level = FERRY_LOG_INFO, .rank = rank, .opened = fy_clock_now()
	};
	*log_p = log;
	return FERRY_OK;
}

void fy_log_close(struct fy_log *log)
{
	if (log && log->fd >= 0 && log->fd != STDERR_FILENO)
		close(log->fd);
	free(log);
}

void fy_log_set_level(struct fy_log *log, int level)
{
	log->level = level;
}

static size_t at_most(int length, size_t room)
{
	return length < 0 ? 0 : (size_t)length < room ? (size_t)length : room - 1;
}

/* Errors are ignored: a log that cannot be written is no reason to stop. */
static void write_all(int fd, const char *text, size_t nbytes)
{
	while (nbytes) {
		ssize_t written = write(fd, text, nbytes);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		text += written;
		nbytes -= (size_t)written;
	}
}

/* A line is written at once, so that those of several threads do not mix. There is room for one
 * byte more. */
static void write_line(int fd, char *line, size_t used)
{
	line[used] = '\n';
	write_all(fd, line, used + 1);
}

/* How every line begins. */
static size_t put_front(const struct fy_log *log, int level, char *line)
{
	char name[NAME_BYTES];
	/* No floating point: some locales write a comma instead of the point. */
	long long us = (fy_clock_now() - log->opened) / 1000;
	if (pthread_getname_np(pthread_self(), name, sizeof name) != 0)
		name[0] = '\0';
	return at_most(snprintf(line, LINE_BYTES, "ferry[%d] %lld.%06lld %s %s/%d: ", log->rank,
	                        us / 1000000, us % 1000000, level_names[level], name,
	                        fy_place_thread()),
	               LINE_BYTES);
}

static bool is_wanted(const struct fy_log *log, int level)
{
	return log && level <= log->level && (log->fd >= 0 || fy_listener_is_there());
}

/* `skip`: a descriptor that has the line already, or -1. */
static void log_text(const struct fy_log *log, int level, int skip, const char *format,
                     va_list arguments)
{
	char line[LINE_BYTES + 1];
	size_t used = put_front(log, level, line);
	used += at_most(vsnprintf(line + used, LINE_BYTES - used, format, arguments),
	                LINE_BYTES - used);
	if (!fy_listener_take(level, line) && log->fd >= 0 && log->fd != skip)
		write_line(log->fd, line, used);
}

void fy_log_at(struct fy_log *log, int level, const char *format, ...)
{
	va_list arguments;

	if (!is_wanted(log, level))
		return;
	int kept = errno;
	va_start(arguments, format);
	log_text(log, level, -1, format, arguments);
	va_end(arguments);
	errno = kept;
}

/* Is this one of the lines that are written? Then it is noted as the last one. */
static bool is_due(struct often *often, uint32_t *n_p)
{
	uint32_t n = fy_add_32(&often->n, 1) + 1;
	int64_t now = fy_clock_now();
	bool due =
		(n & (n - 1)) == 0 || now - (int64_t)fy_load_relaxed_64(&often->at) >= OFTEN_AGAIN;
	if (due)
		fy_store_relaxed_64(&often->at, (uint64_t)now);
	*n_p = n;
	return due;
}

void fy_log_often(struct fy_log *log, int level, enum fy_log_often kind, const char *format, ...)
{
	char text[LINE_BYTES];
	va_list arguments;
	uint32_t n;

	if (!is_wanted(log, level) || !is_due(&log->often[kind], &n))
		return;
	int kept = errno;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (n == 1)
		fy_log_at(log, level, "%s", text);
	else
		fy_log_at(log, level, "%s (%u so far)", text, n);
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
	line[used] = '\0';
	if (!log) /* before the first engine, or at its end */
		fy_listener_take(FERRY_LOG_WARNING, line);
	else if (is_wanted(log, FERRY_LOG_WARNING))
		log_text(log, FERRY_LOG_WARNING, fy_log_say_fd, format, again);
	va_end(again);
	va_end(arguments);
	errno = kept;
}

void fy_log_print(const char *text)
{
	int kept = errno;
	write_all(fy_log_say_fd, text, strlen(text));
	errno = kept;
}
