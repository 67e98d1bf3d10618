/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futures made of futures: all, any, and chains.
 *
 * A composition watches the futures that it is made of (watch.h). So their one callback stays free,
 * and nothing is scanned when one of thousands completes. What a completion sets off here runs by
 * fy_later: with no lock held, and not nested. Any thread.
 *
 * A composed future has two references, like any future: the program's, and one that the engine
 * would have and here the composition has. The composition drops it when the last watch has fired
 * or was removed. Until then it also keeps a reference of each future that it is made of. All this
 * is in `extra`, which lives as long as the composed future.
 *
 * A cancel or a deadline of a composed future decides that future only. The futures that it is made
 * of go on.
 *
 * A thread that is about to wait looks through compositions for a step that is queued behind itself
 * (stuck.c). While it looks it holds a place in a group's `left`, so the group's futures stay. A
 * chain waits for such threads before it lets go of a future (chain_let_go); each look is short.
 */
#include "future/compose.h"

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/order.h"
#include "base/program.h"
#include "future/executor.h"
#include "future/future.h"
#include "future/hooks.h"
#include "future/later.h"
#include "future/task.h"
#include "future/watch.h"

static void free_extra(ferry_future *future, void *extra)
{
	(void)future;
	free(extra);
}

static ferry_future *create_composed(struct fy_composed *composed, enum fy_composed_kind kind,
                                     ferry *engine)
{
	ferry_future *future = composed ? fy_future_create(engine, FY_FUTURE_IS_COMPOSED) : NULL;

	if (!future) {
		free(composed);
		return NULL;
	}
	composed->kind = kind;
	composed->future = future;
	future->extra = composed;
	future->extra_free = free_extra;
	return future;
}

/* Decide the composed future by the future of watch `by`, and name that in the detail: "future 3:
 * the deadline passed". `by` == count: all succeeded. */
static void settle(struct fy_group *group, size_t by)
{
	ferry_future *future = group->composed.future, *child;
	char text[256];

	if (!fy_future_claim(future))
		return;
	if (by == group->count) { /* all succeeded */
		fy_future_finish(future, FERRY_OK);
		return;
	}
	child = group->watches[by].future;
	const char *detail = ferry_future_detail(child);
	if (!*detail && child->status != FERRY_OK)
		detail = ferry_strerror(child->status);
	snprintf(text, sizeof text, "future %zu%s%.200s", group->watches[by].index,
	         *detail ? ": " : "", detail);
	future->detail = strdup(text);
	fy_future_finish(future, child->status);
}

static size_t first_failure(const struct fy_group *group)
{
	size_t i = 0;

	while (i < group->count && group->watches[i].future->status == FERRY_OK)
		i++;
	return i;
}

static void over(struct fy_later *later)
{
	struct fy_group *group = fy_container_of(later, struct fy_group, over);

	if (group->composed.kind == FY_COMPOSED_ALL &&
	    !(fy_load_acquire_32(&group->composed.future->state) & FY_FUTURE_CLAIMED))
		settle(group, first_failure(group));
	for (size_t i = 0; i < group->count; i++)
		ferry_future_release(group->watches[i].future);
	ferry_future_release(group->composed.future);
}

/* May be called under a lock: the end of the group is left to fy_later. */
void fy_compose_drop(struct fy_group *group, uint32_t count)
{
	if (fy_sub_32(&group->left, count) == count)
		fy_later(&group->over);
}

/* Keep the group's futures until fy_compose_drop. False: the group is over, or about to be. */
bool fy_compose_hold(struct fy_group *group)
{
	uint32_t left;

	do {
		left = fy_load_relaxed_32(&group->left);
	} while (left > 0 && !fy_cas_32(&group->left, left, left + 1));
	return left > 0;
}

/* Remove the watches, so that they do not pile up at a future that lives long. A watch whose list
 * another thread has locked stays until its future completes. */
static void group_detach(struct fy_group *group)
{
	uint32_t removed = 0;

	for (size_t i = 0; i < group->count; i++)
		removed += fy_watch_try_remove(&group->watches[i]);
	if (removed > 0)
		fy_compose_drop(group, removed);
}

static void all_notify(struct fy_watch *watch)
{
	fy_compose_drop(watch->owner, 1);
}

/* The watch that fires first keeps its place in `left` until any_settle. */
static void any_notify(struct fy_watch *watch)
{
	struct fy_group *group = watch->owner;

	if (fy_swap_32(&group->fired, 1)) {
		fy_compose_drop(group, 1);
		return;
	}
	group->first = (size_t)(watch - group->watches);
	fy_later(&group->settle);
}

static void any_settle(struct fy_later *later)
{
	struct fy_group *group = fy_container_of(later, struct fy_group, settle);

	settle(group, group->first);
	group_detach(group);
	fy_compose_drop(group, 1);
}

static void group_fill(struct fy_group *group, ferry_future *const *futures, size_t count,
                       enum fy_composed_kind kind)
{
	for (size_t i = 0; i < count; i++) {
		if (!futures[i])
			continue;
		ferry_future_retain(futures[i]);
		group->watches[group->count++] =
			(struct fy_watch){ .future = futures[i],
			                   .owner = group,
			                   .index = i,
			                   .notify = kind == FY_COMPOSED_ALL ? all_notify
			                                                     : any_notify };
	}
}

/* `count` places with `n` futures in them. */
static struct fy_group *group_create(ferry_future *const *futures, size_t count, size_t n,
                                     enum fy_composed_kind kind)
{
	struct fy_group *group = calloc(1, sizeof *group + n * sizeof group->watches[0]);
	size_t i = 0;

	while (i < count && !futures[i])
		i++;
	if (!create_composed((struct fy_composed *)group, kind, n ? futures[i]->engine : NULL))
		return NULL;
	group->left = (uint32_t)n + 1;
	group->settle.run = any_settle;
	group->over.run = over;
	group_fill(group, futures, count, kind);
	return group;
}

static void group_watch(struct fy_group *group)
{
	size_t watched = 0;

	while (watched < group->count && !fy_load_acquire_32(&group->fired))
		fy_watch_add(&group->watches[watched++]);
	if (watched < group->count)
		fy_compose_drop(group, (uint32_t)(group->count - watched));
	if (fy_load_acquire_32(&group->fired))
		group_detach(group);
	fy_compose_drop(group, 1);
	fy_later_run();
}

static int compose(ferry_future *const *futures, size_t count, enum fy_composed_kind kind,
                   ferry_future **future_p)
{
	const char *name = kind == FY_COMPOSED_ALL ? "ferry_future_all" : "ferry_future_any";
	struct fy_group *group;
	size_t n = 0;

	if (!future_p || (count > 0 && !futures))
		return fy_fail(FERRY_EINVAL, "%s needs futures and a place for the new one", name);
	if (count >= UINT32_MAX / 2)
		return fy_fail(FERRY_EINVAL, "%s of %zu futures is too many", name, count);
	for (size_t i = 0; i < count; i++)
		n += futures[i] != NULL;
	if (kind == FY_COMPOSED_ANY && n == 0)
		return fy_fail(FERRY_EINVAL, "%s of no futures would never complete", name);
	group = group_create(futures, count, n, kind);
	if (!group)
		return fy_fail(FERRY_ENOMEM, "no memory for %s of %zu futures", name, n);
	*future_p = group->composed.future;
	group_watch(group);
	return FERRY_OK;
}

int ferry_future_all(ferry_future *const *futures, size_t count, ferry_future **future_p)
{
	return compose(futures, count, FY_COMPOSED_ALL, future_p);
}

int ferry_future_any(ferry_future *const *futures, size_t count, ferry_future **future_p)
{
	return compose(futures, count, FY_COMPOSED_ANY, future_p);
}

static void chain_finish(struct fy_chain *chain, int status, const char *detail,
                         ferry_message *reply)
{
	ferry_future *future = chain->composed.future;

	if (fy_future_claim(future)) {
		future->detail = detail && *detail ? strdup(detail) : NULL;
		fy_future_finish_reply(future, status, reply);
	} else if (reply && fy_future_hooks.message_release) {
		fy_future_hooks.message_release(reply);
	}
	ferry_future_release(future);
}

/* Take the chain's future away from it; the reference becomes the caller's. A thread that looks
 * later sees NULL, and the present value of `stepped`. */
static ferry_future *chain_let_go(struct fy_chain *chain)
{
	ferry_future *future = fy_swap_ptr(&chain->on, NULL);

	fy_fence_full();
	while (fy_load_acquire_32(&chain->lookers))
		sched_yield();
	return future;
}

/* The second operation is done: its outcome is the chain's. */
static void chain_take_over(struct fy_later *later)
{
	struct fy_chain *chain = fy_container_of(later, struct fy_chain, later);
	ferry_future *next = chain_let_go(chain);
	ferry_message *reply = NULL;

	if ((next->flags & FY_FUTURE_IS_CALL) && next->status == FERRY_OK) {
		if (ferry_future_take(next, &reply) != FERRY_OK)
			reply = NULL; /* somebody else took it */
	} else {
		reply = fy_future_move_reply(next);
	}
	chain_finish(chain, next->status, ferry_future_detail(next), reply);
	ferry_future_release(next);
}

static void chain_notify(struct fy_watch *watch)
{
	fy_later(&((struct fy_chain *)watch->owner)->later);
}

/* Once the future is done, `then` is for later. */
static void chain_watch(struct fy_chain *chain, ferry_future *future,
                        void (*then)(struct fy_later *))
{
	chain->later.run = then;
	chain->watch =
		(struct fy_watch){ .future = future, .notify = chain_notify, .owner = chain };
	fy_watch_add(&chain->watch);
}

/* The status that is passed to fn. */
static int chain_status(const struct fy_chain *chain)
{
	const ferry_future *future = chain->composed.future;
	uint32_t state = fy_load_acquire_32(&future->state);

	if (state & FY_FUTURE_DONE)
		return fy_future_outcome(future);
	return state & FY_FUTURE_CLAIMED ? FERRY_ECANCELED : fy_future_outcome(chain->on);
}

/* fn has returned `rc`, and yielded `next` or NULL. */
static void chain_follow(struct fy_chain *chain, int rc, ferry_future *next)
{
	char text[128];

	if (fy_load_acquire_32(&chain->composed.future->state) & FY_FUTURE_CLAIMED) {
		ferry_future_release(next); /* the chain was cancelled: nobody needs its outcome */
		ferry_future_release(chain->composed.future);
		return;
	}
	if (rc == FERRY_OK && next && next != chain->composed.future) {
		fy_store_release_ptr(&chain->on, next);
		chain_watch(chain, next, chain_take_over);
		return;
	}
	if (rc > 0 || next) {
		snprintf(text, sizeof text, "the function of the chain returned %s%s",
		         ferry_strname(rc), next ? " and yielded a future that it cannot" : "");
		rc = rc < 0 ? rc : FERRY_EINVAL;
	} else {
		snprintf(text, sizeof text, "the function of the chain returned %s",
		         ferry_strname(rc));
	}
	ferry_future_release(next);
	chain_finish(chain, rc, rc < 0 ? text : NULL, NULL);
}

static void chain_step(struct fy_task *task)
{
	struct fy_chain *chain = fy_container_of(task, struct fy_chain, step);
	ferry_executor *where = chain->where;
	bool discard = (where != FERRY_INLINE && fy_executor_discarding()) || !fy_program_may_run();
	ferry_future *next = NULL, *first = chain->on;
	int rc = FERRY_ECANCELED;

	fy_store_release_32(&chain->stepped, 1);
	if (!discard)
		FY_PROGRAM("the function of a chain", &fy_program_no_op,
		           rc = chain->fn(first, chain_status(chain), chain->arg, &next));
	chain_let_go(chain);
	if (discard)
		chain_finish(chain, rc,
		             fy_program_may_run() ? "the executor of the chain was destroyed"
		                                  : "the process ends",
		             NULL);
	else
		chain_follow(chain, rc, next);
	ferry_future_release(first);
	fy_executor_release(where);
}

/* The first operation is done: run fn on its executor. */
static void chain_start(struct fy_later *later)
{
	struct fy_chain *chain = fy_container_of(later, struct fy_chain, later);

	fy_future_run_on(chain->composed.future->engine, chain->where, &chain->step);
}

int ferry_future_and_then(ferry_future *future, ferry_executor *where, ferry_next_fn *fn, void *arg,
                          ferry_future **future_p)
{
	struct fy_chain *chain;

	if (!future || !fn || !future_p)
		return fy_fail(FERRY_EINVAL, "ferry_future_and_then needs a future, a function and "
		                             "a place for the new future");
	int bad = fy_executor_check_callback("ferry_future_and_then", where);
	if (bad)
		return bad;
	chain = calloc(1, sizeof *chain);
	if (!create_composed((struct fy_composed *)chain, FY_COMPOSED_CHAIN, future->engine))
		return fy_fail(FERRY_ENOMEM, "no memory for a chain");
	ferry_future_retain(future);
	fy_executor_retain(where);
	chain->on = future;
	chain->where = where;
	chain->fn = fn;
	chain->arg = arg;
	chain->step.run = chain_step;
	*future_p = chain->composed.future;
	chain_watch(chain, future, chain_start);
	return FERRY_OK;
}

void fy_compose_abandoned(ferry_future *future)
{
	struct fy_group *group = future->extra;

	if (group->composed.kind == FY_COMPOSED_CHAIN || !fy_compose_hold(group))
		return;
	group_detach(group);
	fy_compose_drop(group, 1);
	fy_later_run();
}
