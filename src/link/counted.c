/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Posts that count into a counter, and that their receiver has not accepted yet: runs, in the order
 * of their places. A counter is told once for all runs of its that an acknowledgement completes one
 * after the other. Only the holder of the helm may call.
 */
#include "link/counted.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/list.h"
#include "link/channel.h"
#include "link/failure.h"
#include "link/link.h"
#include "shared/counter.h"
#include "wire/record.h"

bool fy_counted_reserve_slow(struct fy_counted_all *all)
{
	struct fy_counted_run *run = malloc(sizeof *run);
	if (!run)
		return false;
	run->next = NULL;
	all->spare = run;
	return true;
}

static void put_aside(struct fy_link *link, struct fy_counted_run *run)
{
	run->next = link->counted.spare;
	link->counted.spare = run;
}

static void drop_first(struct fy_link *link, struct fy_counted *runs)
{
	struct fy_counted_run *run = runs->first;
	fy_list_drop(runs->first, runs->last);
	put_aside(link, run);
}

/* So many of these left the runs. */
static void uncount(struct fy_link *link, uint32_t stream, uint32_t n)
{
	link->counted.n_open -= n;
	link->counts.awaited[fy_record_tag_bit(stream)] -= n;
}

static void append(struct fy_link *link, struct fy_counted *runs, const struct fy_counted_run *like)
{
	struct fy_counted_run *run = link->counted.spare;
	link->counted.spare = run->next;
	*run = *like;
	fy_list_append(runs->first, runs->last, run);
}

void fy_counted_add(struct fy_link *link, struct fy_counted *runs, ferry_counter *counter,
                    uint64_t id, uint32_t n, uint32_t stream)
{
	struct fy_counted_run *run = runs->last;
	link->counted.n_open += n;
	link->counts.awaited[fy_record_tag_bit(stream)] += n;
	if (run && !run->alone && run->counter == counter && run->stream == stream &&
	    run->id + run->count == id && run->id >> 32 == id >> 32) {
		run->count += n;
		return;
	}
	append(link, runs,
	       &(struct fy_counted_run){
		       .counter = counter, .id = id, .count = n, .stream = stream });
}

void fy_counted_add_large(struct fy_link *link, struct fy_counted *runs, ferry_counter *counter,
                          uint64_t id, uint32_t stream)
{
	link->counted.n_open++;
	link->counts.awaited[fy_record_tag_bit(stream)]++;
	append(link, runs,
	       &(struct fy_counted_run){
		       .counter = counter, .id = id, .count = 1, .stream = stream, .alone = true });
}

/* Posts of one counter that were delivered, to be told together. */
struct sum {
	ferry_counter *counter;
	uint64_t n;
};

static void tell(struct fy_link *link, struct sum *sum)
{
	if (!sum->n)
		return;
	link->worked = true;
	fy_counter_add_done(sum->counter, sum->n, FERRY_OK, NULL);
	sum->n = 0;
}

/* The first `n` posts of the first run were delivered. */
static void take(struct fy_link *link, struct fy_counted *runs, uint32_t n, struct sum *sum)
{
	struct fy_counted_run *run = runs->first;
	if (sum->counter != run->counter)
		tell(link, sum);
	sum->counter = run->counter;
	sum->n += n;
	uncount(link, run->stream, n);
	run->id += n;
	run->count -= n;
	if (!run->count)
		drop_first(link, runs);
}

void fy_counted_accepted(struct fy_link *link, struct fy_channel *ch, uint32_t seq)
{
	struct fy_counted *runs = &ch->counted;
	struct sum sum = { NULL, 0 };
	while (runs->first && (int32_t)((uint32_t)(runs->first->id >> 32) - seq) <= 0)
		take(link, runs, runs->first->count, &sum);
	tell(link, &sum);
}

void fy_counted_acked(struct fy_link *link, struct fy_counted *runs, uint32_t number)
{
	struct sum sum = { NULL, 0 };
	for (struct fy_counted_run *run; (run = runs->first) != NULL;) {
		int32_t n = (int32_t)(number - (uint32_t)run->id) + 1;
		if (n <= 0)
			break;
		take(link, runs, (uint32_t)n < run->count ? (uint32_t)n : run->count, &sum);
	}
	tell(link, &sum);
}

/* `n` posts of a run failed. */
static void fail(struct fy_link *link, struct fy_channel *ch, const struct fy_counted_run *run,
                 uint32_t n, int status, const char *detail)
{
	link->worked = true;
	uncount(link, run->stream, n);
	fy_failure_note(ch, run->stream & FY_STREAM, status, detail);
	fy_counter_add_done(run->counter, n, status, detail);
}

/* Take out of a run what is behind its first `keep` posts, and fail it. */
static unsigned fail_behind(struct fy_link *link, struct fy_channel *ch, struct fy_counted *runs,
                            struct fy_counted_run *before, uint32_t keep, int status,
                            const char *detail)
{
	struct fy_counted_run *run = before ? before->next : runs->first;
	uint32_t n = run->count - keep;
	run->count = keep;
	if (!keep) {
		*(before ? &before->next : &runs->first) = run->next;
		if (runs->last == run)
			runs->last = before;
	}
	fail(link, ch, run, n, status, detail);
	if (!keep)
		put_aside(link, run);
	return n;
}

unsigned fy_counted_refuse(struct fy_link *link, struct fy_channel *ch, struct fy_counted *runs,
                           uint64_t first, int status, const char *detail)
{
	struct fy_counted_run *before = NULL, *next;
	unsigned n = 0;
	for (struct fy_counted_run *run = runs->first; run; run = next) {
		uint32_t keep = first > run->id ? (uint32_t)(first - run->id) : 0;
		next = run->next;
		if (run->id >> 32 != first >> 32 || keep >= run->count) {
			before = run;
			continue;
		}
		n += fail_behind(link, ch, runs, before, keep, status, detail);
		if (keep)
			before = run;
	}
	return n;
}

bool fy_counted_fail_one(struct fy_link *link, struct fy_channel *ch, struct fy_counted *runs,
                         uint32_t number, int status, const char *detail)
{
	struct fy_counted_run *before = NULL;
	for (struct fy_counted_run *run = runs->first; run; before = run, run = run->next)
		if (run->alone && (uint32_t)run->id == number) {
			fail_behind(link, ch, runs, before, 0, status, detail);
			return true;
		}
	return false;
}

void fy_counted_fail_all(struct fy_link *link, struct fy_channel *ch, struct fy_counted *runs,
                         int status, const char *detail)
{
	while (runs->first)
		fail_behind(link, ch, runs, NULL, 0, status, detail);
}

void fy_counted_free(struct fy_link *link)
{
	struct fy_counted_run *run;
	while ((run = link->counted.spare)) {
		link->counted.spare = run->next;
		free(run);
	}
}
