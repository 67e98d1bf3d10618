/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines of futures: a binary heap, the earliest first. Only the holder of the helm may call. A
 * deadline whose future is done leaves when it comes to the top, or when the heap is full. So there
 * are at most as many of these as of pending ones, or 64.
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
	size_t n = p->timers.n;
	for (;;) {
		size_t least = i, left = 2 * i + 1, right = left + 1;
		if (left < n && p->timers.heap[left].when < p->timers.heap[least].when)
			least = left;
		if (right < n && p->timers.heap[right].when < p->timers.heap[least].when)
			least = right;
		if (least == i)
			return;
		swap(&p->timers.heap[i], &p->timers.heap[least]);
		i = least;
	}
}

/* Drop deadlines of futures that are done. */
static void sweep(struct fy_progress *p)
{
	size_t n = p->timers.n;
	p->timers.n = 0;
	for (size_t i = 0; i < n; i++) {
		struct fy_timer t = p->timers.heap[i];
		if (fy_future_is_done(t.future))
			ferry_future_release(t.future);
		else
			p->timers.heap[p->timers.n++] = t;
	}
	for (size_t i = p->timers.n / 2; i-- > 0;)
		sift_down(p, i);
}

static bool make_room(struct fy_progress *p)
{
	if (p->timers.n < p->timers.capacity)
		return true;
	sweep(p);
	if (p->timers.capacity && p->timers.n <= p->timers.capacity / 2)
		return true;
	size_t room = p->timers.capacity ? 2 * p->timers.capacity : 64;
	struct fy_timer *t = realloc(p->timers.heap, room * sizeof *t);
	if (!t)
		return p->timers.n < p->timers.capacity;
	p->timers.heap = t;
	p->timers.capacity = room;
	return true;
}

int fy_timer_add(struct fy_progress *p, int64_t when, ferry_future *future)
{
	if (!make_room(p))
		return FERRY_ENOMEM;
	size_t i = p->timers.n++;
	p->timers.heap[i] = (struct fy_timer){ when, future };
	for (; i && p->timers.heap[i].when < p->timers.heap[(i - 1) / 2].when; i = (i - 1) / 2)
		swap(&p->timers.heap[i], &p->timers.heap[(i - 1) / 2]);
	return FERRY_OK;
}

static void remove_first(struct fy_progress *p)
{
	p->timers.heap[0] = p->timers.heap[--p->timers.n];
	sift_down(p, 0);
}

void fy_timer_run(struct fy_progress *p)
{
	while (p->timers.n && (p->timers.heap[0].when <= p->link.now ||
	                       fy_future_is_done(p->timers.heap[0].future))) {
		ferry_future *future = p->timers.heap[0].future;
		remove_first(p);
		if (fy_future_expire(future))
			p->link.worked = true;
	}
}

void fy_timer_free(struct fy_progress *p)
{
	for (size_t i = 0; i < p->timers.n; i++)
		ferry_future_release(p->timers.heap[i].future);
	free(p->timers.heap);
	p->timers.heap = NULL;
	p->timers.n = p->timers.capacity = 0;
}
