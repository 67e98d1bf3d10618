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

static void sift_down(struct fy_timers *timers, size_t i)
{
	size_t n = timers->n;
	for (;;) {
		size_t least = i, left = 2 * i + 1, right = left + 1;
		if (left < n && timers->heap[left].when < timers->heap[least].when)
			least = left;
		if (right < n && timers->heap[right].when < timers->heap[least].when)
			least = right;
		if (least == i)
			return;
		swap(&timers->heap[i], &timers->heap[least]);
		i = least;
	}
}

/* Drop deadlines of futures that are done. */
static void sweep(struct fy_timers *timers)
{
	size_t n = timers->n;
	timers->n = 0;
	for (size_t i = 0; i < n; i++) {
		struct fy_timer t = timers->heap[i];
		if (fy_future_is_done(t.future))
			ferry_future_release(t.future);
		else
			timers->heap[timers->n++] = t;
	}
	for (size_t i = timers->n / 2; i-- > 0;)
		sift_down(timers, i);
}

static bool make_room(struct fy_timers *timers)
{
	if (timers->n < timers->capacity)
		return true;
	sweep(timers);
	if (timers->capacity && timers->n <= timers->capacity / 2)
		return true;
	size_t room = timers->capacity ? 2 * timers->capacity : 64;
	struct fy_timer *t = realloc(timers->heap, room * sizeof *t);
	if (!t)
		return timers->n < timers->capacity;
	timers->heap = t;
	timers->capacity = room;
	return true;
}

int fy_timer_add(struct fy_progress *p, int64_t when, ferry_future *future)
{
	struct fy_timers *timers = &p->timers;
	if (!make_room(timers))
		return FERRY_ENOMEM;
	size_t i = timers->n++;
	timers->heap[i] = (struct fy_timer){ when, future };
	for (; i && timers->heap[i].when < timers->heap[(i - 1) / 2].when; i = (i - 1) / 2)
		swap(&timers->heap[i], &timers->heap[(i - 1) / 2]);
	return FERRY_OK;
}

static void remove_first(struct fy_timers *timers)
{
	timers->heap[0] = timers->heap[--timers->n];
	sift_down(timers, 0);
}

void fy_timer_run(struct fy_progress *p)
{
	struct fy_timers *timers = &p->timers;
	while (timers->n &&
	       (timers->heap[0].when <= p->link.now || fy_future_is_done(timers->heap[0].future))) {
		ferry_future *future = timers->heap[0].future;
		remove_first(timers);
		if (fy_future_expire(future))
			p->link.worked = true;
	}
}

void fy_timer_free(struct fy_progress *p)
{
	struct fy_timers *timers = &p->timers;
	for (size_t i = 0; i < timers->n; i++)
		ferry_future_release(timers->heap[i].future);
	free(timers->heap);
	timers->heap = NULL;
	timers->n = timers->capacity = 0;
}
