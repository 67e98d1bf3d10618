/* SPDX-License-Identifier: Apache-2.0 */
/* Each function of MPI with the helm held: any thread. serialized.h says what for. */
#include "preload/serialized.h"

#include <stdbool.h>

#include "base/order.h"
#include "preload/caller.h"
#include "preload/held.h"
#include "preload/helm.h"
#include "preload/next.h"
#include "preload/wait.h"

/* MPI's own functions. Written once, before fy_next changes; then constant. */
static struct fy_next fy_real;

static bool fy_serialized_applies(void)
{
	return !fy_caller_here.inside && fy_load_acquire_32(&fy_caller_all.on);
}

/* True: the helm was taken for this call. Otherwise this thread has it already, or MPI has not
 * begun, or has ended. */
static bool fy_serialized_enter(const char *call)
{
	if (!fy_serialized_applies())
		return false;
	fy_caller_here.call = call;
	fy_preload_helm_hold();
	fy_preload_held_begin(call);
	return true;
}

static void fy_serialized_leave(bool mine)
{
	if (!mine)
		return;
	fy_preload_held_end();
	fy_preload_helm_give();
}

#include "preload/serialized.inc"

void fy_preload_serialized_begin(void)
{
	fy_real = fy_next;
	take_place();
}
