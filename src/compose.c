/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futures made of futures: all, any, and chains.
 *
 * They watch what they are made of (watch.h), so the one callback of a future
 * stays free, and nothing is scanned when one of thousands completes. What a
 * completion sets off here runs by fy_later: with no lock held, and not nested.
 *
 * A composed future has, like any, the program's reference and one of "the
 * engine's", which is here the composition itself: it is dropped when the last watch has fired
 * or was removed. Until then the composition keeps a reference of each future that it is
 * made of. `extra`, where all this is, lives as long as the future.
 *
 * Cancelling a composed future, or letting a deadline pass, decides that future alone;
 * the ones it is made of go on.
 *
 * A waiter looks through compositions for a step that is queued behind itself (`stuck`). What a
 * group is made of stays while one holds a place in `left`; a chain waits for those who look before
 * it lets go of a future (chain_let_go). They only look, a moment each.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compose.h"
#include "executor.h"
#include "program.h"
#include "status.h"
#include "watch.h"

enum composed_kind { KIND_ALL, KIND_ANY, KIND_CHAIN };

/* What `extra` of every composed future begins with. */
struct composed {
	enum composed_kind kind;
	ferry_future *future;
};

static void free_extra(ferry_future *future, void *extra)
{
	(void)future;
	free(extra);
}

static ferry_future *create_composed(struct composed *composed, enum composed_kind kind,
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

/* ---- all and any ---------------------------------------------------------------- */

struct group {
	struct composed composed;
	/* Watches that may still fire, one for whoever builds or takes apart the group, and for
	 * `any` one until it has settled. Atomic add by all of them; 0 for ever: it is over. */
	uint32_t left;
	uint32_t fired; /* any: swapped to 1 by the first watch that fires */
	size_t first;   /* any: whose watch that was; written by it, read in its own fy_later */
	struct fy_later settle, over;
	size_t count; /* of watches: NULLs of the array have none */
	struct fy_watch watches[];
};

/* Say which future decided it: "future 3: the deadline passed". `by`: its watch. */
static void settle(struct group *group, size_t by)
{
	ferry_future *future = group->composed.future, *child;
	char text[256];

	if (!fy_future_claim(future))
		return;
	if (by == group->count) { /* all are well */
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

static size_t first_failure(const struct group *group)
{
	size_t i = 0;

	while (i < group->count && group->watches[i].future->status == FERRY_OK)
		i++;
	return i;
}

static void over(struct fy_later *later)
{
	struct group *group = (struct group *)((char *)later - offsetof(struct group, over));

	if (group->composed.kind == KIND_ALL &&
	    !(fy_load_acquire_32(&group->composed.future->state) & FY_FUTURE_CLAIMED))
		settle(group, first_failure(group));
	for (size_t i = 0; i < group->count; i++)
		ferry_future_release(group->watches[i].future);
	ferry_future_release(group->composed.future);
}

/* May be called under a lock: what follows is for later. */
static void group_drop(struct group *group, uint32_t count)
{
	if (fy_add_32(&group->left, -count) == count)
		fy_later(&group->over);
}

/* False: it is over, or about to be. */
static bool group_hold(struct group *group)
{
	uint32_t left;

	do {
		left = fy_load_relaxed_32(&group->left);
	} while (left > 0 && !fy_cas_32(&group->left, left, left + 1));
	return left > 0;
}

/* Take the watches out again, so that a future that lives long does not collect
 * them. Where somebody else is at the list, that one stays until its future completes. */
static void group_detach(struct group *group)
{
	uint32_t removed = 0;

	for (size_t i = 0; i < group->count; i++)
		removed += fy_watch_try_remove(&group->watches[i]);
	if (removed > 0)
		group_drop(group, removed);
}

static void all_notify(struct fy_watch *watch)
{
	group_drop(watch->owner, 1);
}

/* The first keeps its place in `left` until it has settled. */
static void any_notify(struct fy_watch *watch)
{
	struct group *group = watch->owner;

	if (fy_swap_32(&group->fired, 1)) {
		group_drop(group, 1);
		return;
	}
	group->first = (size_t)(watch - group->watches);
	fy_later(&group->settle);
}

static void any_settle(struct fy_later *later)
{
	struct group *group = (struct group *)((char *)later - offsetof(struct group, settle));

	settle(group, group->first);
	group_detach(group);
	group_drop(group, 1);
}

static void group_fill(struct group *group, ferry_future *const *futures, size_t count,
                       enum composed_kind kind)
{
	for (size_t i = 0; i < count; i++) {
		if (!futures[i])
			continue;
		ferry_future_retain(futures[i]);
		group->watches[group->count++] =
			(struct fy_watch){ .future = futures[i],
			                   .owner = group,
			                   .index = i,
			                   .notify = kind == KIND_ALL ? all_notify : any_notify };
	}
}

/* `count` places with `n` futures in them. */
static struct group *group_create(ferry_future *const *futures, size_t count, size_t n,
                                  enum composed_kind kind)
{
	struct group *group = calloc(1, sizeof *group + n * sizeof group->watches[0]);
	size_t i = 0;

	while (i < count && !futures[i])
		i++;
	if (!create_composed((struct composed *)group, kind, n ? futures[i]->engine : NULL))
		return NULL;
	group->left = (uint32_t)n + 1;
	group->settle.run = any_settle;
	group->over.run = over;
	group_fill(group, futures, count, kind);
	return group;
}

static void group_watch(struct group *group)
{
	size_t watched = 0;

	while (watched < group->count && !fy_load_acquire_32(&group->fired))
		fy_watch_add(&group->watches[watched++]);
	if (watched < group->count)
		group_drop(group, (uint32_t)(group->count - watched));
	if (fy_load_acquire_32(&group->fired))
		group_detach(group);
	group_drop(group, 1);
	fy_later_run();
}

static int compose(ferry_future *const *futures, size_t count, enum composed_kind kind,
                   ferry_future **future_p)
{
	const char *name = kind == KIND_ALL ? "ferry_future_all" : "ferry_future_any";
	struct group *group;
	size_t n = 0;

	if (!future_p || (count > 0 && !futures))
		return fy_fail(FERRY_EINVAL, "%s needs futures and a place for the new one", name);
	if (count >= UINT32_MAX / 2)
		return fy_fail(FERRY_EINVAL, "%s of %zu futures is too many", name, count);
	for (size_t i = 0; i < count; i++)
		n += futures[i] != NULL;
	if (kind == KIND_ANY && n == 0)
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
	return compose(futures, count, KIND_ALL, future_p);
}

int ferry_future_any(ferry_future *const *futures, size_t count, ferry_future **future_p)
{
	return compose(futures, count, KIND_ANY, future_p);
}

/* ---- chains ------------------------------------------------------------------------- */

struct chain {
	struct composed composed;
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

static void chain_finish(struct chain *chain, int status, const char *detail, ferry_message *reply)
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

/* Who looks after this sees NULL, and `stepped` as it is now. The reference becomes
 * the caller's. */
static ferry_future *chain_let_go(struct chain *chain)
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
	struct chain *chain = (struct chain *)((char *)later - offsetof(struct chain, later));
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
	fy_later(&((struct chain *)watch->owner)->later);
}

/* The status that fn is told. */
static int chain_status(const struct chain *chain)
{
	const ferry_future *future = chain->composed.future;
	uint32_t state = fy_load_acquire_32(&future->state);

	if (state & FY_FUTURE_DONE)
		return fy_future_outcome(future);
	return state & FY_FUTURE_CLAIMED ? FERRY_ECANCELED : fy_future_outcome(chain->on);
}

/* fn has returned `rc` and yielded `next`, or not. */
static void chain_follow(struct chain *chain, int rc, ferry_future *next)
{
	char text[128];

	if (fy_load_acquire_32(&chain->composed.future->state) & FY_FUTURE_CLAIMED) {
		ferry_future_release(next); /* cancelled meanwhile: nobody asks what comes of it */
		ferry_future_release(chain->composed.future);
		return;
	}
	if (rc == FERRY_OK && next && next != chain->composed.future) {
		fy_store_release_ptr(&chain->on, next);
		chain->later.run = chain_take_over;
		chain->watch =
			(struct fy_watch){ .future = next, .notify = chain_notify, .owner = chain };
		fy_watch_add(&chain->watch);
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
	struct chain *chain = (struct chain *)((char *)task - offsetof(struct chain, step));
	ferry_executor *where = chain->where;
	bool discard = (where != FERRY_INLINE && fy_executor_discarding()) || !fy_program_may_run();
	ferry_future *next = NULL, *first = chain->on;
	int rc = FERRY_ECANCELED;

	fy_store_release_32(&chain->stepped, 1);
	if (!discard)
		FY_PROGRAM("the function of a chain", &fy_no_op,
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
	if (where != FERRY_INLINE)
		fy_executor_release(where);
}

/* The first operation is done: fn's turn, on its executor. */
static void chain_start(struct fy_later *later)
{
	struct chain *chain = (struct chain *)((char *)later - offsetof(struct chain, later));

	fy_future_run_on(chain->composed.future->engine, chain->where, &chain->step);
}

int ferry_future_and_then(ferry_future *future, ferry_executor *where, ferry_next_fn *fn, void *arg,
                          ferry_future **future_p)
{
	struct chain *chain;

	if (!future || !fn || !future_p)
		return fy_fail(FERRY_EINVAL, "ferry_future_and_then needs a future, a function and "
		                             "a place for the new future");
	chain = calloc(1, sizeof *chain);
	if (!create_composed((struct composed *)chain, KIND_CHAIN, future->engine))
		return fy_fail(FERRY_ENOMEM, "no memory for a chain");
	ferry_future_retain(future);
	if (where != FERRY_INLINE)
		fy_executor_retain(where);
	chain->on = future;
	chain->where = where;
	chain->fn = fn;
	chain->arg = arg;
	chain->step.run = chain_step;
	chain->later.run = chain_start;
	chain->watch =
		(struct fy_watch){ .future = future, .notify = chain_notify, .owner = chain };
	*future_p = chain->composed.future;
	fy_watch_add(&chain->watch);
	return FERRY_OK;
}

/* ---- for future.c ----------------------------------------------------------------------- */

void fy_compose_abandoned(ferry_future *future)
{
	struct group *group = future->extra;

	if (group->composed.kind == KIND_CHAIN || !group_hold(group))
		return;
	group_detach(group);
	group_drop(group, 1);
	fy_later_run();
}

/* ---- waits that cannot end ---------------------------------------------------------------- */

/* futures; so that it takes a millisecond at most. What is not seen then is not known */
#define LOOKS_MAX 100000
#define DEPTH_MAX 100 /* compositions of compositions, on the stack */

struct look {
	unsigned left, depth;
};

static bool stuck(const ferry_future *future, struct look *look);

/* Its own step, or what it waits for. */
static bool chain_stuck(struct chain *chain, struct look *look)
{
	fy_add_32(&chain->lookers, 1);
	fy_fence_full(); /* chain_let_go has one as well: it sees us, or we see what it wrote */
	const ferry_future *on = fy_load_acquire_ptr(&chain->on);
	bool is = !fy_load_acquire_32(&chain->stepped) && chain->where != FERRY_INLINE &&
	          fy_executor_alone_inside(chain->where);
	is = is || (on && stuck(on, look));
	fy_add_32(&chain->lookers, (uint32_t)-1);
	return is;
}

/* All: any one of them; any: every one of them. */
static bool group_stuck(struct group *group, struct look *look)
{
	bool decides = group->composed.kind == KIND_ALL;
	size_t i = 0;

	if (!group_hold(group))
		return false;
	while (i < group->count && stuck(group->watches[i].future, look) != decides)
		i++;
	bool is = decides == (i < group->count);
	group_drop(group, 1);
	return is;
}

/* Inline code of that engine, or of any: NULL. */
static bool runs_inline(ferry *engine)
{
	return fy_future_hooks.on_progress && fy_future_hooks.on_progress(engine);
}

/* Can it only be done after the task that this thread is running has returned? */
static bool stuck(const ferry_future *future, struct look *look)
{
	struct composed *composed = future->extra;

	if (look->left == 0 || look->depth == 0 ||
	    (fy_load_acquire_32(&future->state) & FY_FUTURE_CLAIMED))
		return false;
	look->left--;
	if (!(future->flags & FY_FUTURE_IS_COMPOSED))
		return future->engine && runs_inline(future->engine);
	look->depth--;
	bool is = composed->kind == KIND_CHAIN ? chain_stuck((struct chain *)composed, look)
	                                       : group_stuck((struct group *)composed, look);
	look->depth++;
	return is;
}

bool fy_compose_matters(void)
{
	return fy_executor_is_running() || runs_inline(NULL);
}

int fy_compose_may_wait(const ferry_future *future)
{
	struct look look = { LOOKS_MAX, DEPTH_MAX };

	if (!(future->flags & FY_FUTURE_IS_COMPOSED) || !fy_compose_matters())
		return FERRY_OK;
	bool is = stuck(future, &look);
	fy_later_run(); /* a group may have been over but for us */
	if (is)
		return fy_fail(FERRY_EDEADLK,
		               "this future is made of one whose next step can only run when what "
		               "this thread is running has returned; use ferry_future_then");
	return FERRY_OK;
}
