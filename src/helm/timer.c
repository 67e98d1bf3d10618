/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines of futures: a binary heap, the earliest first. One whose future is done leaves when it
 * comes to the top, or when the heap is full: so it holds at most as many of these as of pending
 * ones, or 64.
 */
#include "helm/timer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "future/future.h"
#include "helm/progress.h"

static void swap(struct fy_timer *a, struct fy_timer *b)
{
	struct fy_timer t = *a;
	*a = *b;
	*b = t;
}

static void sift_down(struct fy_progress *p, size_t i)
{
	size_t n = p->n_timers;
	for (;;) {
		size_t least = i, left = 2 * i + 1, right = left + 1;
		if (left < n && p->timers[left].when < p->timers[least].when)
			least = left;
		if (right < n && p->timers[right].when < p->timers[least].when)
			least = right;
		if (least == i)
			return;
		swap(&p->timers[i], &p->timers[least]);
		i = least;
	}
}

/* Let go of the futures that are done. */
static void sweep(struct fy_progress *p)
{
	size_t n = p->n_timers;
	p->n_timers = 0;
	for (size_t i = 0; i < n; i++) {
		struct fy_timer t = p->timers[i];
		if (fy_future_is_done(t.future))
			ferry_future_release(t.future);
		else
			p->timers[p->n_timers++] = t;
	}
	for (size_t i = p->n_timers / 2; i-- > 0;)
		sift_down(p, i);
}

static bool make_room(struct fy_progress *p)
{
	if (p->n_timers < p->timer_room)
		return true;
	sweep(p);
	if (p->timer_room && p->n_timers <= p->timer_room / 2)
		return true;
	size_t room = p->timer_room ? 2 * p->timer_room : 64;
	struct fy_timer *t = realloc(p->timers, room * sizeof *t);
	if (!t)
		return p->n_timers < p->timer_room;
	p->timers = t;
	p->timer_room = room;
	return true;
}

int fy_timer_add(struct fy_progress *p, int64_t when, ferry_future *future)
{
	if (!make_room(p))
		return FERRY_ENOMEM;
	size_t i = p->n_timers++;
	p->timers[i] = (struct fy_timer){ when, future };
	for (; i && p->timers[i].when < p->timers[(i - 1) / 2].when; i = (i - 1) / 2)
		swap(&p->timers[i], &p->timers[(i - 1) / 2]);
	return FERRY_OK;
}

static void remove_first(struct fy_progress *p)
{
	p->timers[0] = p->timers[--p->n_timers];
	sift_down(p, 0);
}

void fy_timer_run(struct fy_progress *p)
{
	while (p->n_timers &&
	       (p->timers[0].when <= p->now || fy_future_is_done(p->timers[0].future))) {
		ferry_future *future = p->timers[0].future;
		remove_first(p);
		if (fy_future_expire(future))
			p->worked = true;
	}
}

void fy_timer_free(struct fy_progress *p)
{
	for (size_t i = 0; i < p->n_timers; i++)
		ferry_future_release(p->timers[i].future);
	free(p->timers);
	p->timers = NULL;
	p->n_timers = p->timer_room = 0;
}
