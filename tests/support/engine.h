/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engines that are never stepped, over the simulated network: a test calls one file of the helm's
 * side with them, and looks at what that did.
 */
#ifndef TEST_ENGINE_H
#define TEST_ENGINE_H

#include "life.h"

#include "helm/peer.h"
#include "helm/progress.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "sim/net/sim.h"

enum { T_RANKS = 3 };

static fy_sim *t_sim;
static ferry *t_engines[T_RANKS];

static int t_begin(void **state)
{
	(void)state;
	t_sim = fy_sim_create(T_RANKS, 1, NULL);
	assert_non_null(t_sim);
	for (int rank = 0; rank < T_RANKS; rank++) {
		ferry_options given = FERRY_OPTIONS_INIT;
		given.flags = FERRY_NONBLOCK;
		t_engines[rank] = t_open(fy_sim_port(t_sim, rank), &given);
	}
	return 0;
}

static int t_end(void **state)
{
	(void)state;
	for (int rank = 0; rank < T_RANKS; rank++) {
		t_abandon(t_sim, t_engines[rank]);
		fy_engine_release(t_engines[rank]);
	}
	fy_sim_destroy(t_sim);
	return 0;
}

static inline struct fy_progress *t_helm(int rank)
{
	return t_engines[rank]->progress;
}

/* What rank `from` keeps for rank `to`. */
static inline struct fy_channel *t_channel(int from, int to)
{
	struct fy_channel *ch = fy_peer_get(t_helm(from), to);
	assert_non_null(ch);
	return ch;
}

#define T_CASE(name) cmocka_unit_test_setup_teardown(name, t_begin, t_end)

#endif
