/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for one request: any thread. */
#include "preload/wait.h"

#include <stdbool.h>

#include "preload/helm.h"
#include "preload/next.h"
#include "preload/requests.h"

int fy_preload_wait(MPI_Request *request, MPI_Status *status)
{
	struct fy_preload_requests_one one = { .request = request, .status = status };
	fy_preload_helm_run(fy_preload_requests_wait_one, &one);
	fy_preload_requests_finish(request, 1);
	return fy_preload_requests_tell(&one.error);
}
