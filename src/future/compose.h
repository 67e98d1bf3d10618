/* SPDX-License-Identifier: Apache-2.0 */
/* Futures made of futures: what future.c needs to know of them (FY_FUTURE_IS_COMPOSED). */
#ifndef FY_FUTURE_COMPOSE_H
#define FY_FUTURE_COMPOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "future/later.h"
#include "future/task.h"
#include "future/watch.h"

enum fy_composed_kind { FY_COMPOSED_ALL, FY_COMPOSED_ANY, FY_COMPOSED_CHAIN };

/* What `extra` of every composed future begins with. */
struct fy_composed {
	enum fy_composed_kind kind;
	ferry_future *future;
};

struct fy_group {
	struct fy_composed composed;
	/* Watches that may still fire, one for whoever builds or takes apart the group, and for
	 * `any` one until it has settled. Atomic add by all of them; 0 for ever: it is over. */
	uint32_t left;
	uint32_t fired; /* any: swapped to 1 by the first watch that fires */
	size_t first;   /* any: whose watch that was; written by it, read in its own fy_later */
	struct fy_later settle, over;
	size_t count; /* of watches: NULLs of the array have none */
	struct fy_watch watches[];
};

struct fy_chain {
	struct fy_composed composed;
	/* first, until fn has returned; then what fn yielded, until it is done. Written by the
	 * chain (release, swap), read by those who look (acquire) */
	ferry_future *on;
	uint32_t lookers;      /* threads that look at `on` and `where`: atomic add by them */
	ferry_executor *where; /* kept until fn has returned */
	ferry_next_fn *fn;
	void *arg;
	/* 1 once fn is about to run: written on `where` (release), read by waiters (acquire) */
	uint32_t stepped;
	struct fy_task step;
	struct fy_later later;
	struct fy_watch watch; /* of first, then of next */
};
void fy_compose_drop(struct fy_group *group, uint32_t count);
bool fy_compose_hold(struct fy_group *group);

/* It was claimed by a cancel or a deadline: let go of what it is made of. */
void fy_compose_abandoned(ferry_future *future);

#endif
