/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of agreements share: the tree, and who closes. All of it is the helm's. */
#ifndef FY_AGREE_H
#define FY_AGREE_H

#include "progress.h"

/* ---- the tree ---- */
static inline int fy_tree_parent(int rank)
{
	return (rank - 1) / 2;
}
static inline int fy_tree_child(int rank, int which)
{
	return 2 * rank + 1 + which;
}
static inline int fy_tree_children(const struct fy_progress *p)
{
	int n = p->engine->size - fy_tree_child(p->engine->rank, 0);
	return n < 0 ? 0 : n > 2 ? 2 : n;
}
/* Which child of ours that rank is, or -1. */
static inline int fy_tree_which_child(const struct fy_progress *p, int rank)
{
	int child = rank - fy_tree_child(p->engine->rank, 0);
	return child < 0 || child >= fy_tree_children(p) ? -1 : child;
}

/* ---- agree.c ---- */
void fy_agree_complete(struct fy_agree *a, int status, const char *detail);
bool fy_agree_is_quiet(struct fy_progress *p);
/* Has that child sent its up of this round? */
bool fy_agree_has_answered(const struct fy_progress *p, int child);

/* ---- agree_news.c ---- */
/* That rank, or one of those below, was heard to close, when it had finished so many fences. */
void fy_agree_closes(struct fy_progress *p, int rank, uint32_t fences);
/* All ranks below that child have joined; all ranks have. */
void fy_agree_child_joined(struct fy_progress *p, int child);
void fy_agree_all_joined(struct fy_progress *p);
/* Tell the neighbours what they do not know. */
void fy_agree_tell(struct fy_progress *p);

#endif
