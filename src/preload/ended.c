/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/ended.h"

#include <stdbool.h>

#include "base/order.h"
#include "preload/caller.h"
#include "preload/errors.h"
#include "preload/helm.h"

enum fy_preload_ended_look fy_preload_ended_look(MPI_Request request)
{
	int flag = 0;
	bool silent; /* MPI_Test tells again */
	if (FY_ERRORS_KEEP(&silent, fy_next.Request_get_status(request, &flag, MPI_STATUS_IGNORE)))
		return FY_ENDED_FAILED;
	return flag ? FY_ENDED_YES : FY_ENDED_NOT;
}

int fy_preload_ended(MPI_Request *request, int *flag, MPI_Status *status)
{
	enum fy_preload_ended_look found = FY_ENDED_FAILED;
	if (fy_caller_here.inside && fy_preload_helm_has_others() &&
	    !fy_load_acquire_32(&fy_caller_all.alone))
		found = fy_preload_ended_look(*request);
	*flag = found == FY_ENDED_YES;
	return *flag                      ? fy_next.Wait(request, status)
	       : found == FY_ENDED_FAILED ? fy_next.Test(request, flag, status)
	                                  : MPI_SUCCESS;
}
