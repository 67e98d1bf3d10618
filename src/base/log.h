/* SPDX-License-Identifier: Apache-2.0 */
/* The log: where an engine says what a person should know. Any thread. Off unless the option `log`
 * is set. */
#pragma once

struct fy_log;

/* Open the log that `where` names: "stderr", or a file to append to, in which %r becomes the rank
 * and %% a percent sign. NULL: off. 0, or FERRY_EINVAL, FERRY_ENOMEM. */
int fy_log_open(const char *where, int rank, struct fy_log **log_p);
void fy_log_close(struct fy_log *log);
/* One line, printf-like, without its newline. Lines of several threads do not mix. Does nothing
 * when log is NULL. */
void fy_log(struct fy_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One line that a person has to see although no log was asked for: "ferry: rank N: ..." on stderr,
 * in one write, and also in `log` if that goes elsewhere. A rank below 0 means that the rank is not
 * known yet; the line then begins with "ferry: ". Keep such lines few. */
void fy_log_say(struct fy_log *log, int rank, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The descriptor that fy_log_say writes to: standard error. Tests set it before they start any
 * thread. */
extern int fy_log_say_fd;
