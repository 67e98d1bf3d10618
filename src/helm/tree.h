/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of the crew as a binary tree, for agreements. A member's place is how many members
 * are below its rank: the tree is over places. Only the holder of the helm may call, on a member.
 */
#pragma once

#include <stdbool.h>

#include "base/bits.h"
#include "helm/progress.h"
#include "shared/engine.h"

/* As long as nobody is gone a rank is its own place. */
static inline int fy_tree_place(const struct fy_progress *p, int rank)
{
	const struct fy_crew_of *crew = &p->lookout.crew.now;
	return crew->number ? fy_bits_below(crew->members, rank) : rank;
}
static inline int fy_tree_rank(const struct fy_progress *p, int place)
{
	const struct fy_crew_of *crew = &p->lookout.crew.now;
	return crew->number ? fy_bits_nth(crew->members, place, p->link.engine->size) : place;
}
static inline int fy_tree_size(const struct fy_progress *p)
{
	const struct fy_crew_of *crew = &p->lookout.crew.now;
	int size = p->link.engine->size;
	return crew->number ? fy_bits_count(crew->members, size) : size;
}
static inline int fy_tree_own_place(const struct fy_progress *p)
{
	return fy_tree_place(p, p->link.engine->rank);
}
static inline bool fy_tree_is_root(const struct fy_progress *p)
{
	return fy_tree_own_place(p) == 0;
}
/* The parent's rank, of a rank that is not the root. */
static inline int fy_tree_parent(const struct fy_progress *p)
{
	return fy_tree_rank(p, (fy_tree_own_place(p) - 1) / 2);
}
static inline bool fy_tree_is_parent(const struct fy_progress *p, int rank)
{
	return !fy_tree_is_root(p) && rank == fy_tree_parent(p);
}
static inline int fy_tree_child(const struct fy_progress *p, int which)
{
	return fy_tree_rank(p, 2 * fy_tree_own_place(p) + 1 + which);
}
static inline int fy_tree_children(const struct fy_progress *p)
{
	int n = fy_tree_size(p) - (2 * fy_tree_own_place(p) + 1);
	return n < 0 ? 0 : n > 2 ? 2 : n;
}
/* Which child of this rank that rank is: 0, 1, or -1 for none. */
static inline int fy_tree_which_child(const struct fy_progress *p, int rank)
{
	for (int i = 0; i < fy_tree_children(p); i++)
		if (rank == fy_tree_child(p, i))
			return i;
	return -1;
}
