/* SPDX-License-Identifier: Apache-2.0 */
/* Callers: any thread of the program, each for itself. caller.h says what they are. */
#include "preload/caller.h"

#include <pthread.h>
#include <stddef.h>

#include "base/order.h"
#include "preload/lanes.h"
#include "preload/next.h"
#include "preload/slot.h"

FY_THREAD_LOCAL struct fy_caller fy_caller_here = { .passes = FY_PASS_OFF };
struct fy_caller_all fy_caller_all;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_exit;
static bool has_key;

/* A thread ends. What it posted stays in its lane until the helm has taken it. */
static void leave(void *arg)
{
	struct fy_caller *here = arg;
	if (here->lane)
		fy_preload_lanes_leave(here->lane);
	here->lane = NULL;
	fy_preload_slot_return_all();
}

static void make_key(void)
{
	has_key = !pthread_key_create(&at_exit, leave);
}

enum fy_way fy_caller_way_slow(const char *call)
{
	if (fy_caller_here.inside)
		return FY_WAY_INSIDE;
	if (!fy_load_acquire_32(&fy_caller_all.on)) {
		fy_next_need(); /* MPI may not have been initialized by MPI_Init */
		return FY_WAY_OFF;
	}
	if (fy_load_relaxed_32(&fy_caller_all.pass))
		fy_store_release_32(&fy_caller_all.pass, 0);
	if (call)
		fy_caller_here.call = call;
	return FY_WAY_HELM;
}

void fy_caller_begin(void)
{
	fy_caller_here.passes = FY_PASS_OFF | FY_PASS_STRAIGHT;
	fy_store_release_32(&fy_caller_all.pass, fy_caller_all.serialized ? 0 : FY_PASS_STRAIGHT);
	fy_store_release_32(&fy_caller_all.on, 1);
}

void fy_caller_end(void)
{
	fy_caller_here.passes = FY_PASS_OFF;
	fy_store_release_32(&fy_caller_all.on, 0);
	fy_store_release_32(&fy_caller_all.pass, FY_PASS_OFF);
}

struct fy_preload_lane *fy_caller_lane(void)
{
	struct fy_caller *here = &fy_caller_here;
	if (here->lane)
		return here->lane;
	pthread_once(&once, make_key);
	/* Without that a lane would stay for ever: the thread's calls wait for the helm instead. */
	if (!has_key || pthread_setspecific(at_exit, here))
		return NULL;
	return here->lane = fy_preload_lanes_new();
}
