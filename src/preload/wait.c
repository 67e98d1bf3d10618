/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for one request: any thread. */
#include "preload/wait.h"

#include <stdbool.h>

#include "preload/caller.h"
#include "preload/errors.h"
#include "preload/helm.h"
#include "preload/next.h"
#include "preload/requests.h"
#include "preload/slot.h"

int fy_preload_wait(MPI_Request *request, MPI_Status *status, MPI_Comm comm)
{
	for (int flag = 0; fy_caller_is_straight();) {
		bool silent;
		int code = FY_ERRORS_KEEP(&silent, fy_next.Test(request, &flag, status));
		if (flag || code != MPI_SUCCESS)
			return fy_preload_errors_raise(comm, code, silent);
	}
	struct fy_preload_requests_one one = { .request = request, .status = status };
	bool is_ours = fy_preload_slot_is_ours(*request);
	fy_preload_helm_run(fy_preload_requests_wait_one, &one);
	fy_preload_requests_finish(request, 1);
	return fy_preload_errors_raise(is_ours ? one.error.comm : comm, one.error.code,
	                               one.error.silent);
}
