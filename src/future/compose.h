/* SPDX-License-Identifier: Apache-2.0 */
/* Futures made of futures (FY_FUTURE_IS_COMPOSED), as future.c and stuck.c see them. Any thread. */
#pragma once

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
	/* How many watches may still fire, plus one for each thread that builds, detaches or looks
	 * at the group, plus (any) one until it has settled. Atomic add by all of them. At 0, which
	 * it does not leave again, the group is over. */
	uint32_t left;
	uint32_t fired; /* any: swapped to 1 by the first watch that fires */
	size_t first;   /* any: the index of that watch; written and read on its thread */
	struct fy_later settle, over;
	size_t count; /* of watches; a NULL of the program's array has none */
	struct fy_watch watches[];
};

struct fy_chain {
	struct fy_composed composed;
	/* the first future, until fn has returned; then the one that fn yielded, until it is done.
	 * Written by the chain (release, swap), read by threads that look (acquire) */
	ferry_future *on;
	uint32_t lookers;      /* threads that look at `on` and `where`: atomic add by them */
	ferry_executor *where; /* kept until fn has returned */
	ferry_next_fn *fn;
	void *arg;
	/* 1 once fn is about to run: written by the thread that runs fn (release), read by threads
	 * that look (acquire) */
	uint32_t stepped;
	struct fy_task step;
	struct fy_later later;
	struct fy_watch watch; /* of the future that is `on` */
};
void fy_compose_drop(struct fy_group *group, uint32_t count);
bool fy_compose_hold(struct fy_group *group);

/* A cancel or a deadline has claimed the composed future: let go of what it is made of. */
void fy_compose_abandoned(ferry_future *future);
