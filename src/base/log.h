/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: where an engine says what a person should know. Any thread. A line goes to the function
 * of ferry_log_to if there is one, else to where the option `log` says; with neither it is not
 * written. It begins with the rank, the time since the open, the level and the thread:
 *
 *   ferry[3] 12.000345 warning ferry-watch/4711: what there is to say
 *
 * A line that names an option or an error says what to do.
 */
#pragma once

#include "ferry.h"

struct fy_log;

/* Open the log that `where` names: "stderr", or a file to append to, in which %r becomes the rank
 * and %% a percent sign. NULL: only a function of ferry_log_to gets the lines. The log has
 * FERRY_LOG_INFO until another level is set. 0, or FERRY_EINVAL, FERRY_ENOMEM. */
int fy_log_open(const char *where, int rank, struct fy_log **log_p);
void fy_log_close(struct fy_log *log);
/* Leave out what is less important. Before other threads see the log. */
void fy_log_set_level(struct fy_log *log, int level);
/* One line, printf-like, without its newline. Lines of several threads do not mix. Does nothing
 * when log is NULL. */
void fy_log_at(struct fy_log *log, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for what is good to know and no fault: FERRY_LOG_INFO. */
#define fy_log(log, ...) fy_log_at(log, FERRY_LOG_INFO, __VA_ARGS__)

/* Lines that may come again and again. Of each kind a log gets the first, the second, the fourth,
 * the eighth and so on, and one a minute at least, with how many there were. */
enum fy_log_often {
	FY_OFTEN_MALFORMED,   /* a batch */
	FY_OFTEN_NO_RECEIVE,  /* MPI posts none */
	FY_OFTEN_BAD_RECEIVE, /* MPI ended one with an error */
	FY_OFTEN_NOBODY,      /* a start that nobody waits for has failed */
	FY_OFTENS
};
void fy_log_often(struct fy_log *log, int level, enum fy_log_often kind, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* One line that a person has to see although no log was asked for: "ferry: rank N: ..." on stderr,
 * in one write, whatever the level; and also in `log`, as a warning, if that goes elsewhere. A rank
 * below 0 means that the rank is not known yet; the line then begins with "ferry: ". Keep such
 * lines few. */
void fy_log_say(struct fy_log *log, int rank, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for what is longer than a line: as it is, with its newlines, and on stderr alone. */
void fy_log_print(const char *text);
/* The descriptor that fy_log_say writes to: standard error. Tests set it before they start any
 * thread. */
extern int fy_log_say_fd;
