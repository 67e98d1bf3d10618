/* SPDX-License-Identifier: Apache-2.0 */
/* Engines over the simulated network, and lanes of virtual threads: how they begin and end. */
#ifndef TEST_LIFE_H
#define TEST_LIFE_H

#include "test.h"

#include "ferry.h"
#include "app/own_lane.h"
#include "base/options.h"
#include "base/order.h"
#include "engine/life.h"
#include "helm/close.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "port/port.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "sim/net/sim.h"

static inline ferry *t_open(fy_port *port, const ferry_options *given)
{
	ferry_options options;
	ferry *engine;
	assert_int_equal(fy_options_resolve(given, &options), FERRY_OK);
	assert_int_equal(fy_life_create(port, &options, 1, &engine), FERRY_OK);
	return engine;
}

/* The engine goes without a close: nothing of it is under way any more. */
static inline void t_abandon(fy_sim *sim, ferry *engine)
{
	fy_sim_kill(sim, engine->rank);
	fy_progress_of(engine)->close.clean = true; /* this network writes nowhere any more */
	assert_int_equal(fy_life_destroy(engine), FERRY_OK);
}

/* The engine goes without a close, and what is under way fails: calls, messages, and what the
 * network holds of it. */
static inline void t_break_off(fy_sim *sim, ferry *engine)
{
	struct fy_progress *p = fy_progress_of(engine);
	fy_sim_kill(sim, engine->rank);
	fy_close_abort(p, FERRY_EPEER, "the test ends");
	for (unsigned i = 0; i < 100; i++) /* what the network had of it comes back */
		fy_step_once(p, true);
	t_abandon(sim, engine);
}

/* The lane's thread exits after its engine's end. */
static inline void t_leave(ferry *engine, struct fy_lane *lane)
{
	if (!fy_load_acquire_32(&lane->life.let_go))
		fy_own_lane_orphaned(engine, lane);
	fy_lane_release(lane);
}

#endif
