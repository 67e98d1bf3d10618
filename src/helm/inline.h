/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "link/link.h"
#include "shared/engine.h"
#include "shared/handler.h"
#include "shared/thread.h"
#include "wire/record.h"

struct fy_program_host;
struct fy_progress;

/* What inline code of the program needs. (`inline` is a keyword.) */
struct fy_inline {
	ferry_message *view;
	char *reserve;   /* memory for a view that is retained when there is no other */
	unsigned n_left; /* messages that borrowers have made tasks */
	uint32_t tag;    /* of what the running inline handler posts; 0: the rank's colour */
	/* the holder is a borrower that waits: in this step it runs handlers of FERRY_ANYWHERE */
	bool guest;
	bool left; /* a batch stays as it is since the borrower of this step does not wait */
	/* constant: the signal mask of the program's code (a sigset_t, whose header defines too
	 * much). NULL: handlers on threads that wait have those threads' */
	const void *signals;
};

bool fy_inline_ready(struct fy_progress *p);

/* May the holder of the helm run it in this step? */
static inline bool fy_inline_may(const struct fy_inline *inside, const struct fy_link *link,
                                 const struct fy_handler *h)
{
	return !h->where && (link->user_code || (inside->guest && h->anywhere));
}

/* Around handlers, after fy_inline_may. A borrower then is as the progress thread is for them. */
void fy_inline_begin_visit(struct fy_progress *p, struct fy_program_host *host);
void fy_inline_end_visit(struct fy_progress *p, const struct fy_program_host *host);

/* From here on what inline handlers post has that colour. Pass what this returns to
 * fy_inline_end_colour. */
static inline uint32_t fy_inline_begin_colour(struct fy_inline *inside, const struct fy_link *link,
                                              unsigned colour)
{
	uint32_t before = inside->tag;
	inside->tag = colour == link->counts.colour ? 0 : fy_record_tag(colour);
	if (fy_unlikely(inside->tag != before))
		fy_thread_tag_posts(link->engine, inside->tag);
	return before;
}

static inline void fy_inline_end_colour(struct fy_inline *inside, const struct fy_link *link,
                                        uint32_t before)
{
	if (fy_unlikely(inside->tag != before))
		fy_thread_tag_posts(link->engine, before);
	inside->tag = before;
}
bool fy_inline_call(struct fy_progress *p, struct fy_handler *h, ferry_message *m, unsigned colour);
void fy_inline_drop(struct fy_progress *p, ferry_message *m);
void fy_inline_handle(struct fy_progress *p, struct fy_handler *h, ferry_message *m);
/* Make the view a message of its own. */
void fy_inline_keep_view(ferry_message *view);
bool fy_inline_run_tasks(struct fy_progress *p);
