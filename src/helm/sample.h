/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "helm/command.h"
#include "helm/seen.h"
#include "monitor/file.h"

struct fy_lane;
struct fy_progress;

/* How the progress thread idles: the gauge of that name. */
enum fy_idles {
	FY_IDLES_LOOKS,
	FY_IDLES_YIELDS,
	FY_IDLES_NAPS,
	FY_IDLES_SLEEPS,
	FY_IDLES_STANDS_BY,
	FY_IDLES_NO_THREAD
};

/* What the progress thread did with its time. */
struct fy_duty {
	int64_t idle_since; /* ns; 0: it is not idle */
	int64_t idled;      /* ns altogether, before that */
	/* an enum fy_idles: written by the progress thread, also while it stands by without the
	 * helm; read by the helm's holder (both relaxed: it is a gauge) */
	uint32_t idles;
	uint64_t long_steps;
	int64_t longest, longest_at;
	uint32_t longest_op, long_op; /* of the inline handlers in them */
	uint64_t handled;             /* ones before the last look */
	int cpu;                      /* where it ran at the last look; -1: not known */
	int64_t taken; /* times that others took the processor from it, at the last sample */
	int64_t taken_before;
};

/* A record in a lane that is watched until the drain takes it. */
struct fy_waited {
	const struct fy_lane *lane; /* only compared */
	uint64_t position;
	int64_t since;
	unsigned looks_left;   /* without any lane: so many steps more, until one takes something */
	uint64_t taken, slept; /* the counts of records, and of sleeps, then */
};

/* Samples, see sample.c. */
struct fy_sample {
	int64_t due_at;   /* when (ns) the next look is due */
	int64_t next_at;  /* when (ns) the next sample is */
	int64_t last_at;  /* when the last one was written */
	int64_t begun_at; /* when the engine was opened */
	int64_t look_at;  /* when (ns) the next look is */
	unsigned still;   /* samples since something last happened */
	bool rests;       /* nothing happened for long: an idle loop need not wake up */
	uint64_t n;
	int64_t took;
	uint32_t jitter;
	bool said; /* a line said that there is no file any more */
	struct fy_duty duty;
	struct fy_waited waited;
	struct fy_command publish; /* the command that shows the counters */
	struct fy_seen_calls calls;
	int64_t fence_since;
	struct fy_seen_once unread;
	struct fy_file file;
};

void fy_sample_begin(struct fy_progress *p);
void fy_sample_end(struct fy_progress *p);
/* Look, when it is due. */
void fy_sample_step(struct fy_progress *p);
/* A step took long: the last one, which began at link->now, until `now`. */
void fy_sample_long_step(struct fy_progress *p, int64_t now);
#define FY_SAMPLE_LONG FERRY_MS(1)

/* When (ns) an idle loop has to wake up for a sample; INT64_MAX: it need not. */
static inline int64_t fy_sample_wakes_at(const struct fy_sample *s)
{
	return s->rests ? INT64_MAX : s->next_at;
}

/* The progress thread has nothing to do, and does this; or something to do again. */
static inline void fy_sample_idle(struct fy_duty *duty, int64_t now, enum fy_idles idles)
{
	if (!duty->idle_since)
		duty->idle_since = now;
	fy_store_relaxed_32(&duty->idles, idles);
}
static inline void fy_sample_busy(struct fy_duty *duty, int64_t now)
{
	if (duty->idle_since) {
		duty->idled += now - duty->idle_since;
		duty->idle_since = 0;
	}
}

/* The counters as they are, beside what other threads count. */
void fy_sample_stats(const struct fy_progress *p, ferry_stats *stats);
