/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "wire/bodies.h"

struct fy_channel;
struct fy_progress;

/* News of closes: see news.c. Neighbours are numbered: the children, then the parent. */
enum { FY_NEIGHBOUR_PARENT = 2, FY_NEIGHBOURS = 3 };
struct fy_closing {
	bool known; /* a rank closes, this one or another */
	/* the first of these that was heard of, and how many fences it had finished */
	uint32_t rank, fences;
	int64_t tell_at; /* when (ns) neighbours may be told again */
	bool told[FY_NEIGHBOURS];
	struct fy_awaited told_last[FY_NEIGHBOURS];
	bool below_known[2], all_known; /* the neighbours have told these: */
	struct fy_awaited below[2], all;
};

/* That rank closes. It had finished so many fences by then. */
void fy_news_closes(struct fy_progress *p, int rank, uint32_t fences);
/* That child and all ranks below it have joined the close; all ranks have. */
void fy_news_child_joined(struct fy_progress *p, int child);
void fy_news_all_joined(struct fy_progress *p);
/* There is a new crew: the neighbours are others. */
void fy_news_new_crew(struct fy_progress *p);
/* Tell the neighbours what they do not know. */
void fy_news_tell(struct fy_progress *p);
void fy_news_hear(struct fy_progress *p, struct fy_channel *ch, const struct fy_agree_news *news);
/* May a fence begin? FERRY_OK, or FERRY_EINVAL because a rank closes. */
int fy_news_refuse_fence(const struct fy_progress *p);
/* Which ranks a close waits for, as far as it is known here. */
void fy_news_awaited(struct fy_progress *p, struct fy_awaited *list);
