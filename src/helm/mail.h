/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "helm/report.h"

struct fy_handler;
struct fy_progress;

struct fy_mail {
	int64_t checked;         /* when (ns) the mailbox was last looked at */
	struct fy_unread unread; /* what was dropped unread, for the line at the end */
};

void fy_mail_look(struct fy_progress *p);
void fy_mail_drop(struct fy_progress *p);
/* Register a handler; NULL: only unregister. *old_p: a reference of the handler that was there, or
 * NULL. False: a reader has the mailbox's lock, try again in the next step. */
bool fy_mail_set_handler(struct fy_progress *p, struct fy_handler *handler, uint32_t op,
                         struct fy_handler **old_p);
