/* SPDX-License-Identifier: Apache-2.0 */
/* The log: where an engine says what a person should know. Off unless the option `log` is set. */
#ifndef FY_BASE_LOG_H
#define FY_BASE_LOG_H

struct fy_log;

/* Open the log that `where` names: "stderr", or a file to append to, in which %r becomes the rank
 * and %% a percent sign. NULL: off. 0, or FERRY_EINVAL, FERRY_ENOMEM. */
int fy_log_open(const char *where, int rank, struct fy_log **log_p);
void fy_log_close(struct fy_log *log);
/* One line, printf-like, without its newline. Any thread; lines do not mix. Nothing when log
 * is NULL. */
void fy_log(struct fy_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One line that a person has to see although no log was asked for: "ferry: rank N: ..." on stderr,
 * in one write, and in `log` too, if there is one elsewhere. A rank below 0: none yet, and the line
 * begins with "ferry: ". Any thread; keep these few. */
void fy_log_say(struct fy_log *log, int rank, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Where it goes: standard error. Tests set it, before any thread is started. */
extern int fy_log_say_fd;

#endif
