/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helm: its holder may step the engine and call MPI. Any thread may call. The progress thread
 * lets go of the helm when it yields or sleeps, and stands by while others drive (drive.c).
 */
#include "helm/helm.h"

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "base/futex.h"
#include "base/order.h"
#include "shared/engine.h"
#include "shared/wake.h"

enum { HELM_FREE, HELM_TAKEN, HELM_WANTED };

bool fy_helm_try(ferry *engine)
{
	return fy_load_relaxed_32(&engine->at_helm.word) == HELM_FREE &&
	       fy_cas_32(&engine->at_helm.word, HELM_FREE, HELM_TAKEN);
}

void fy_helm_take(ferry *engine)
{
	if (fy_helm_try(engine))
		return;
	while (fy_swap_32(&engine->at_helm.word, HELM_WANTED) != HELM_FREE)
		fy_futex_wait(&engine->at_helm.word, HELM_WANTED, INT64_MAX, false);
}

void fy_helm_give(ferry *engine)
{
	if (fy_swap_32(&engine->at_helm.word, HELM_FREE) == HELM_WANTED)
		fy_futex_wake(&engine->at_helm.word, 1, false);
}

bool fy_helm_stand_by(ferry *engine, int64_t nap)
{
	/* Before `asleep`. The last driver announces only if it has seen that; then a ring or a
	 * wake-up changes the word. */
	uint32_t seen = fy_wake_seen(&engine->wake);
	fy_store_release_32(&engine->at_helm.napping, 1);
	fy_store_release_32(&engine->at_helm.asleep, 1);
	fy_fence_full();
	bool driven = fy_load_acquire_32(&engine->at_helm.drivers) != 0;
	if (driven)
		fy_wake_nap(&engine->wake, seen, nap);
	fy_store_release_32(&engine->at_helm.asleep, 0);
	return driven;
}
