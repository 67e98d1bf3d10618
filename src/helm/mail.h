/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_MAIL_H
#define FY_HELM_MAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "helm/report.h"

struct fy_handler;
struct fy_progress;

/* When the mailbox was last looked at, and what was dropped of it. */
struct fy_mail {
	int64_t checked;
	struct fy_unread unread; /* what was dropped unread, for the line at the end */
};

void fy_mail_look(struct fy_progress *p);
void fy_mail_drop(struct fy_progress *p);
/* Register (or with fn NULL only unregister). `old_p` gets a reference of what was there, or NULL.
 * False: the mailbox was being read just now, again at the next step. */
bool fy_mail_set_handler(struct fy_progress *p, struct fy_handler *handler, uint32_t op,
                         struct fy_handler **old_p);

#endif
