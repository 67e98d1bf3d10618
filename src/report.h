/* SPDX-License-Identifier: Apache-2.0 */
/* What a person is told of: messages that nobody takes, and what a close waits for. */
#ifndef FY_REPORT_H
#define FY_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"

struct fy_progress;
struct fy_unread;

#define FY_REPORT_BYTES 900

/* The helm: from here on this received message is counted by its op, until it is freed. */
void fy_report_kept(struct fy_progress *p, ferry_message *message);
void fy_report_free(ferry *engine);

/* A message that is dropped unread; the line is said at the end. */
void fy_report_dropped(struct fy_unread *unread, const ferry_message *message);
void fy_report_say_dropped(const ferry *engine, struct fy_unread *unread);
/* Posts in the mailbox that nobody has asked for since they came, longer than the grace; once an
 * op. Under the mailbox's lock. */
void fy_report_untaken(struct fy_progress *p, const ferry_message *of);

/* The helm: what the close of this rank waits for. */
void fy_report_close(struct fy_progress *p, char *line, size_t nbytes);

/* So long a close waits before it says what for, and then again after twice as long each time; ns.
 * Set before any engine is opened, by tests alone: FERRY_TEST_CLOSE_SAYS (ms). */
int64_t fy_report_patience(void);

#endif
