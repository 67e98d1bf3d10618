/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watchdog, on the helper (base/helper.h). It says in the place of a progress thread that this
 * one cannot: that code of the program, which the progress thread runs, does not return.
 *
 * It looks at each engine 24 times in its peer_timeout. If the loop has not stepped since the last
 * look, and code of the program runs with the helm, it adds one to a word that the ranks of the
 * host see. A rank whose word moves is late, and not dead (helm/lookout.c). A loop that steps moves
 * no word: it answers by itself, and one that steps but does not hear has to be found out. Nor does
 * one that stands in MPI: it may do so for ever. A process that is stopped has a watchdog that is
 * stopped.
 *
 * Ranks of other hosts cannot see the word. So the watchdog also writes to the log, after half of
 * peer_timeout, before they take this rank for dead.
 */
#include "engine/watchdog.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/helper.h"
#include "base/list.h"
#include "base/log.h"
#include "base/order.h"
#include "shared/engine.h"
#include "shared/inside.h"

#define LOOKS 24                /* in a timeout */
#define PERIOD_MIN FERRY_MS(10) /* between two looks */

static void say_blocked(const struct fy_watched *w, uint32_t inside)
{
	char what[64] = "a callback or another function of the program";
	if (inside != FY_INSIDE_CALLBACK)
		snprintf(what, sizeof what, "the inline handler of op %#x", inside);
	fy_log_at(w->engine->log, FERRY_LOG_WARNING,
	          "the progress thread has been inside of %s for %lld ms: %s (%lld ms); let an "
	          "executor run it, or raise peer_timeout",
	          what, (long long)(w->blocked / FERRY_MS(1)),
	          w->apart ? "ranks of other hosts take this one for dead after peer_timeout"
	                   : "the ranks of this host wait, others would do so for peer_timeout",
	          (long long)(w->engine->options.peer_timeout / FERRY_MS(1)));
}

static bool is_blocked(struct fy_watched *w, uint32_t inside)
{
	uint64_t steps = fy_load_relaxed_64(w->steps);
	bool stood = steps == w->seen;
	w->seen = steps;
	return stood && inside != FY_INSIDE_NOTHING && inside != FY_INSIDE_END &&
	       !fy_load_relaxed_32(&w->engine->end.left);
}

static void look(struct fy_watched *w)
{
	uint32_t inside = fy_load_relaxed_32(&w->engine->end.inside);
	if (!is_blocked(w, inside)) {
		w->blocked = 0;
		w->said = false;
		return;
	}
	/* by as much, even if more time has passed, in which the process may have been stopped */
	w->blocked += w->period;
	w->beats++;
	if (w->word)
		fy_store_relaxed_32(w->word, w->beats);
	if (w->said || w->blocked < w->engine->options.peer_timeout / 2)
		return;
	w->said = true;
	say_blocked(w, inside);
}

static void look_when_due(struct fy_helped *self, unsigned why)
{
	struct fy_watched *w = fy_container_of(self, struct fy_watched, helped);
	(void)why;
	look(w);
	self->due_at = fy_clock_now() + w->period;
}

int fy_watchdog_join(struct fy_watched *watched)
{
	int status = fy_helper_join();
	watched->joined = !status;
	return status;
}

static int64_t period_for(int64_t timeout)
{
	return timeout / LOOKS > PERIOD_MIN ? timeout / LOOKS : PERIOD_MIN;
}

void fy_watchdog_watch(struct fy_watched *watched, ferry *engine, const uint64_t *steps,
                       uint32_t *word, bool apart)
{
	if (!watched->joined)
		return;
	watched->engine = engine;
	watched->steps = steps;
	watched->word = word;
	watched->apart = apart;
	watched->period = period_for(engine->options.peer_timeout);
	watched->helped = (struct fy_helped){ .run = look_when_due,
		                              .fd = -1,
		                              .due_at = fy_clock_now() + watched->period };
	(void)fy_helper_add(&watched->helped); /* it has no descriptor, so it cannot fail */
}

void fy_watchdog_leave(struct fy_watched *watched)
{
	if (!watched->joined)
		return;
	watched->joined = false;
	fy_helper_remove(&watched->helped);
	fy_helper_leave();
}
