/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ranks as a binary tree, for agreements. Only the holder of the helm may call.
 */
#pragma once

#include "helm/progress.h"
#include "shared/engine.h"

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
	int n = p->link.engine->size - fy_tree_child(p->link.engine->rank, 0);
	return n < 0 ? 0 : n > 2 ? 2 : n;
}
/* Which child of this rank that rank is: 0, 1, or -1 for none. */
static inline int fy_tree_which_child(const struct fy_progress *p, int rank)
{
	int child = rank - fy_tree_child(p->link.engine->rank, 0);
	return child < 0 || child >= fy_tree_children(p) ? -1 : child;
}
