/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_NEWS_H
#define FY_HELM_NEWS_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/bodies.h"

struct fy_channel;
struct fy_progress;

/* Who closes; news.c. Neighbours: the children, then the parent. */
enum { FY_NEIGHBOUR_PARENT = 2, FY_NEIGHBOURS = 3 };
struct fy_closing {
	bool known; /* a rank closes, this one or another: */
	/* the first that was heard of, and how many fences it had finished */
	uint32_t rank, fences;
	int64_t tell_at; /* not before that */
	bool told[FY_NEIGHBOURS];
	struct fy_awaited told_last[FY_NEIGHBOURS];
	bool below_known[2], all_known; /* what the neighbours said: */
	struct fy_awaited below[2], all;
};

/* That rank, or one of those below, was heard to close, when it had finished so many fences. */
void fy_news_closes(struct fy_progress *p, int rank, uint32_t fences);
/* All ranks below that child have joined; all ranks have. */
void fy_news_child_joined(struct fy_progress *p, int child);
void fy_news_all_joined(struct fy_progress *p);
/* Tell the neighbours what they do not know. */
void fy_news_tell(struct fy_progress *p);
void fy_news_hear(struct fy_progress *p, struct fy_channel *ch, const struct fy_agree_news *news);
/* A rank closes: no fence begins any more. FERRY_OK or FERRY_EINVAL. */
int fy_news_refuse_fence(const struct fy_progress *p);
/* Whom a close waits for, as far as it is known here. */
void fy_news_awaited(struct fy_progress *p, struct fy_awaited *list);

#endif
