/* SPDX-License-Identifier: Apache-2.0 */
/* What the generated wrappers do before a call passes by (passes.c). Any thread. */
#include "preload/flush.h"

#include <stddef.h>

#include "base/order.h"
#include "preload/caller.h"
#include "preload/helm.h"
#include "preload/report.h"

void fy_preload_flush(void)
{
	if (fy_caller_way_of(NULL) != FY_WAY_HELM)
		return;
	fy_add_64(&fy_preload_report.passed, 1);
	fy_preload_helm_flush();
}
