/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_INLINE_H
#define FY_HELM_INLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "link/link.h"
#include "shared/engine.h"
#include "shared/thread.h"
#include "wire/record.h"

struct fy_handler;
struct fy_progress;

/* What inline code of the program needs: a view, memory to keep it, the tag of what it posts.
 * (`inline` is a keyword.) */
struct fy_inline {
	ferry_message *view;
	char *reserve;   /* what retaining a view falls back on */
	unsigned n_left; /* messages among them that a thread which may not run handlers left */
	uint32_t tag;    /* of what the inline handler posts that runs: 0 if it is of `colour` */
};

bool fy_inline_ready(struct fy_progress *p);

/* What inline handlers post from here on is of that colour. Returns what fy_inline_end_colour is
 * given. */
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
/* inline.c: the view becomes a heap message; the engine makes itself a new one. */
void fy_inline_keep_view(ferry_message *view);
bool fy_inline_run_tasks(struct fy_progress *p);

#endif
