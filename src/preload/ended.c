/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/ended.h"

#include "base/order.h"
#include "preload/caller.h"

int fy_preload_ended(MPI_Request *request, int *flag, MPI_Status *status)
{
	if (fy_load_acquire_32(&fy_caller_all.alone))
		return fy_next.Test(request, flag, status);
	int code = fy_next.Request_get_status(*request, flag, MPI_STATUS_IGNORE);
	if (code != MPI_SUCCESS) /* it has ended, and MPI has told so without freeing it */
		return fy_next.Test(request, flag, status);
	return *flag ? fy_next.Wait(request, status) : MPI_SUCCESS;
}
