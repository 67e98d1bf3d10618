/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing moves. The helper looks eight times in stuck_after. It takes the helm for the moment that
 * reading some counts takes; if it does not get that, and the loop has not stepped since the last
 * look, the engine is blocked, by code of the program or inside of MPI.
 *
 * It speaks only while something is open that must end: a call, a post, a fence, a close. A reader
 * without mail is no sign: servers wait so for ever. It asks no other rank, so what it says is no
 * proof: that is for query/inquiry.c, which goes by how long nothing has moved.
 */
#include "engine/stuck.h"

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/helper.h"
#include "base/list.h"
#include "base/log.h"
#include "base/order.h"
#include "engine/portrait.h"
#include "helm/helm.h"
#include "helm/portray.h"
#include "helm/progress.h"
#include "shared/engine.h"
#include "watch/picture.h"
#include "watch/story.h"

#define LOOKS 8 /* in stuck_after */
#define PERIOD_MIN FERRY_MS(10)
#define PERIOD_MAX FERRY_S(5)
#define TRIES 20 /* at the helm, with a yield between two */
#define PATIENCE FERRY_MS(5)

/* ---- looking ------------------------------------------------------------------------------- */

static bool same_counts(const struct fy_picture_counts *a, const struct fy_picture_counts *b)
{
	return a->sent == b->sent && a->done == b->done && a->held == b->held &&
	       a->moved == b->moved;
}

static bool try_helm(ferry *engine)
{
	for (int i = 0; i < TRIES; i++) {
		if (fy_helm_try(engine))
			return true;
		sched_yield();
	}
	return false;
}

/* With the helm. */
static bool is_still_inside(struct fy_stuck *s)
{
	struct fy_progress *p = fy_progress_of(s->engine);
	struct fy_picture_counts now = { 0 };
	fy_portray_counts(p, &now);
	bool still = same_counts(&now, &s->seen) && fy_portray_is_open(p);
	s->seen = now;
	return still;
}

enum sight { MOVES, STANDS, UNSEEN };

/* Has a question about this job stepped the loop since the last look? */
static bool is_asked(const struct fy_stuck *s)
{
	const struct fy_stillness *stillness = &s->engine->totals.stillness;
	int64_t asked_at = (int64_t)fy_load_relaxed_64(&stillness->asked_at);
	return stillness->asks || fy_clock_now() - asked_at < 2 * s->period;
}

/* Has nothing moved since the last look, though something is open? A question takes the helm and
 * steps the loop, so what it hides counts as neither. */
static enum sight is_still(struct fy_stuck *s)
{
	uint64_t steps = fy_load_relaxed_64(s->steps);
	bool stood = steps == s->steps_seen;
	s->steps_seen = steps;
	if (!try_helm(s->engine))
		return stood ? STANDS : is_asked(s) ? UNSEEN : MOVES;
	bool still = !fy_engine_has_stopped(s->engine) && is_still_inside(s);
	fy_helm_give(s->engine);
	return still ? STANDS : MOVES;
}

static void say(struct fy_stuck *s)
{
	struct fy_picture picture;
	char text[700];
	if (fy_portrait_take(s->engine, PATIENCE, &picture) != FERRY_OK)
		return;
	picture.blocked_ms = (uint32_t)(s->engine->totals.stillness.still / FERRY_MS(1));
	fy_story_tell_one(&picture, text, sizeof text);
	fy_log_say(s->engine->log, s->engine->rank,
	           "nothing has moved here for %lld.%lld s while something is open (stuck_after; "
	           "`ferry-ask --why` says who waits for whom): %s",
	           (long long)(s->engine->totals.stillness.still / FERRY_S(1)),
	           (long long)(s->engine->totals.stillness.still / FERRY_MS(100) % 10), text);
}

static void look(struct fy_stuck *s)
{
	int64_t *still = &s->engine->totals.stillness.still;
	enum sight seen = is_still(s);
	if (seen == MOVES) {
		*still = 0;
		s->said = false;
	}
	if (seen != STANDS)
		return;
	*still += s->period; /* not what has passed: the process may have been stopped */
	if (s->said || *still < s->patience)
		return;
	s->said = true;
	s->patience *= 2;
	say(s);
}

static void look_when_due(struct fy_helped *self, unsigned why)
{
	struct fy_stuck *s = fy_container_of(self, struct fy_stuck, helped);
	(void)why;
	if (!fy_engine_enter(s->engine))
		return;
	look(s);
	fy_engine_leave(s->engine);
	self->due_at = fy_clock_now() + s->period;
}

/* ---- its life ------------------------------------------------------------------------------ */

int fy_engine_stuck_join(struct fy_stuck *s, const ferry_options *options)
{
	if (options->stuck_after == FERRY_NONE)
		return FERRY_OK;
	int status = fy_helper_join();
	s->joined = !status;
	return status;
}

static int64_t period_for(int64_t patience)
{
	int64_t period = patience / LOOKS;
	return period < PERIOD_MIN ? PERIOD_MIN : period > PERIOD_MAX ? PERIOD_MAX : period;
}

void fy_engine_stuck_begin(struct fy_stuck *s, ferry *engine, const uint64_t *steps)
{
	if (!s->joined)
		return;
	s->engine = engine;
	s->steps = steps;
	s->patience = engine->options.stuck_after;
	s->period = period_for(s->patience);
	s->helped = (struct fy_helped){ .run = look_when_due,
		                        .fd = -1,
		                        .due_at = fy_clock_now() + s->period };
	(void)fy_helper_add(&s->helped); /* it has no descriptor, so it cannot fail */
}

void fy_engine_stuck_leave(struct fy_stuck *s)
{
	if (!s->joined)
		return;
	s->joined = false;
	fy_helper_remove(&s->helped);
	fy_helper_leave();
}
