/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of MPI that wait for requests or test them, as the program calls them. Any
 * thread. */
#include <stdbool.h>
#include <stddef.h>

#include "preload/caller.h"
#include "preload/helm.h"
#include "preload/next.h"
#include "preload/requests.h"
#include "preload/slot.h"

/* While calls go straight there is no handle of ours. */
static bool is_straight(enum fy_way way)
{
	return way == FY_WAY_STRAIGHT || way == FY_WAY_OFF;
}

/* ---- one, or all --------------------------------------------------------------------------- */

int MPI_Wait(MPI_Request *request, MPI_Status *status)
{
	if (fy_caller_way() == FY_WAY_OFF)
		return fy_next.Wait(request, status);
	struct fy_preload_requests_all one = {
		.requests = request, .statuses = status, .n = 1, .single = true
	};
	fy_preload_helm_run(fy_preload_requests_poll_all, &one);
	fy_preload_requests_finish(request, 1);
	return fy_preload_requests_tell(&one.error);
}

int MPI_Waitall(int n, MPI_Request *requests, MPI_Status *statuses)
{
	if (fy_caller_way() == FY_WAY_OFF || n < 0)
		return fy_next.Waitall(n, requests, statuses);
	struct fy_preload_requests_all all = { .requests = requests, .statuses = statuses, .n = n };
	fy_preload_helm_run(fy_preload_requests_poll_all, &all);
	fy_preload_requests_finish(requests, n);
	return fy_preload_requests_tell(&all.error);
}

int MPI_Test(MPI_Request *request, int *flag, MPI_Status *status)
{
	if (is_straight(fy_caller_way()))
		return fy_next.Test(request, flag, status);
	struct fy_preload_requests_one one = { .request = request, .status = status, .flag = flag };
	fy_preload_helm_run(fy_preload_requests_test_one, &one);
	fy_preload_requests_finish(request, 1);
	return fy_preload_requests_tell(&one.error);
}

/* ---- any, some, all or none ---------------------------------------------------------------- */

/* False: no memory. Then MPI is asked for more of it, and says so. */
static bool look_at(struct fy_preload_requests_set *set)
{
	if (!fy_preload_requests_begin(set))
		return false;
	fy_preload_helm_run(fy_preload_requests_poll_set, set);
	fy_preload_requests_end(set);
	fy_preload_requests_finish(set->requests, set->n);
	return true;
}

int MPI_Testall(int n, MPI_Request *requests, int *flag, MPI_Status *statuses)
{
	if (is_straight(fy_caller_way()) || n < 0)
		return fy_next.Testall(n, requests, flag, statuses);
	struct fy_preload_requests_set set = { .mode = FY_REQUESTS_TESTALL,
		                               .once = true,
		                               .requests = requests,
		                               .statuses = statuses,
		                               .n = n };
	if (!look_at(&set))
		return MPI_ERR_NO_MEM;
	*flag = set.flag;
	return fy_preload_requests_tell(&set.error);
}

int MPI_Testany(int n, MPI_Request *requests, int *index, int *flag, MPI_Status *status)
{
	if (is_straight(fy_caller_way()) || n < 0)
		return fy_next.Testany(n, requests, index, flag, status);
	struct fy_preload_requests_set set = { .mode = FY_REQUESTS_ANY,
		                               .once = true,
		                               .requests = requests,
		                               .statuses = status,
		                               .n = n };
	if (!look_at(&set))
		return MPI_ERR_NO_MEM;
	*flag = set.flag;
	*index = set.flag ? set.count : MPI_UNDEFINED;
	return fy_preload_requests_tell(&set.error);
}

int MPI_Waitany(int n, MPI_Request *requests, int *index, MPI_Status *status)
{
	if (fy_caller_way() == FY_WAY_OFF || n < 0)
		return fy_next.Waitany(n, requests, index, status);
	struct fy_preload_requests_set set = {
		.mode = FY_REQUESTS_ANY, .requests = requests, .statuses = status, .n = n
	};
	if (!look_at(&set))
		return MPI_ERR_NO_MEM;
	*index = set.count;
	return fy_preload_requests_tell(&set.error);
}

int MPI_Testsome(int n, MPI_Request *requests, int *count, int *indices, MPI_Status *statuses)
{
	if (is_straight(fy_caller_way()) || n < 0)
		return fy_next.Testsome(n, requests, count, indices, statuses);
	struct fy_preload_requests_set set = { .mode = FY_REQUESTS_SOME,
		                               .once = true,
		                               .requests = requests,
		                               .statuses = statuses,
		                               .indices = indices,
		                               .n = n };
	if (!look_at(&set))
		return MPI_ERR_NO_MEM;
	*count = set.count;
	return fy_preload_requests_tell(&set.error);
}

int MPI_Waitsome(int n, MPI_Request *requests, int *count, int *indices, MPI_Status *statuses)
{
	if (fy_caller_way() == FY_WAY_OFF || n < 0)
		return fy_next.Waitsome(n, requests, count, indices, statuses);
	struct fy_preload_requests_set set = { .mode = FY_REQUESTS_SOME,
		                               .requests = requests,
		                               .statuses = statuses,
		                               .indices = indices,
		                               .n = n };
	if (!look_at(&set))
		return MPI_ERR_NO_MEM;
	*count = set.count;
	return fy_preload_requests_tell(&set.error);
}
