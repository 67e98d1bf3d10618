/* SPDX-License-Identifier: Apache-2.0 */
/* Reports to people: messages that nobody takes, and what a close waits for. The helm's. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ferry.h"

struct fy_progress;

/* Messages that nobody reads: how many of which op from whom. */
#define FY_UNREAD_NAMED 6u
struct fy_unread_of {
	uint32_t op;
	int source;
	uint64_t count;
};
struct fy_unread {
	uint64_t count;
	unsigned n;
	struct fy_unread_of some[FY_UNREAD_NAMED];
};

/* Count a message that is dropped unread; and, at the end, say the line. */
void fy_report_dropped(struct fy_unread *unread, const ferry_message *message);
void fy_report_say_dropped(const ferry *engine, struct fy_unread *unread);
/* Report posts like `of` in the mailbox that nobody has asked for within the grace; once an op.
 * Under the mailbox's lock. */
void fy_report_untaken(struct fy_progress *p, const ferry_message *of);

/* Write a line that says what the close of this rank waits for. */
void fy_report_close(struct fy_progress *p, char *line, size_t nbytes);
