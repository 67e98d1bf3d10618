/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of MPI that wait for requests or test them, as the program calls them. Any
 * thread. */
#include <stdbool.h>
#include <stddef.h>

#include "base/order.h"
#include "preload/caller.h"
#include "preload/ended.h"
#include "preload/helm.h"
#include "preload/next.h"
#include "preload/requests.h"
#include "preload/slot.h"
#include "preload/wait.h"

/* False: no memory. */
static bool look_at(struct fy_preload_requests_set *set)
{
	struct fy_preload_requests_few few;
	if (!fy_preload_requests_begin(set, &few))
		return false;
	if (set->n > 1)
		fy_preload_helm_run_in_turn(fy_preload_requests_poll_set, set);
	else
		fy_preload_helm_run(fy_preload_requests_poll_set, set);
	fy_preload_requests_end(set);
	fy_preload_requests_finish(set->requests, set->n);
	return true;
}

/* ---- one, or all --------------------------------------------------------------------------- */

int MPI_Wait(MPI_Request *request, MPI_Status *status)
{
	if (fy_caller_way() == FY_WAY_OFF)
		return fy_next.Wait(request, status);
	return fy_preload_wait(request, status, MPI_COMM_WORLD);
}

/* While there is one thread: MPI is asked about the last one, which costs the same however many
 * there are, and when that has ended about all at once. False: a second thread has come. */
static bool wait_straight(int count, MPI_Request *requests, MPI_Status *statuses, int *code)
{
	unsigned looks = 0;
	for (int flag = 0; !flag;) {
		if (!fy_caller_is_straight())
			return false;
		if (count > 1 && ++looks % FY_PRELOAD_LOOKS &&
		    !fy_load_relaxed_32(&fy_caller_all.alone) &&
		    fy_preload_ended_look(requests[count - 1]) == FY_ENDED_NOT)
			continue;
		*code = fy_next.Testall(count, requests, &flag, statuses);
		if (*code != MPI_SUCCESS)
			return true;
	}
	return true;
}

int MPI_Waitall(int count, MPI_Request *array_of_requests, MPI_Status *array_of_statuses)
{
	if (fy_caller_way() == FY_WAY_OFF || count < 0)
		return fy_next.Waitall(count, array_of_requests, array_of_statuses);
	int code = MPI_SUCCESS;
	if (wait_straight(count, array_of_requests, array_of_statuses, &code))
		return code;
	struct fy_preload_requests_set set = { .mode = FY_REQUESTS_ALL,
		                               .requests = array_of_requests,
		                               .statuses = array_of_statuses,
		                               .n = count };
	return look_at(&set) ? fy_preload_requests_tell(&set.error) : MPI_ERR_NO_MEM;
}

int MPI_Test(MPI_Request *request, int *flag, MPI_Status *status)
{
	if (fy_caller_is_alone())
		return fy_next.Test(request, flag, status);
	struct fy_preload_requests_one one = { .request = request, .status = status };
	fy_preload_helm_run(fy_preload_requests_test_one, &one);
	*flag = one.flag;
	fy_preload_requests_finish(request, 1);
	return fy_preload_requests_tell(&one.error);
}

/* ---- any, some, all or none ---------------------------------------------------------------- */

int MPI_Testall(int count, MPI_Request *array_of_requests, int *flag, MPI_Status *array_of_statuses)
{
	if (fy_caller_is_alone() || count < 0)
		return fy_next.Testall(count, array_of_requests, flag, array_of_statuses);
	struct fy_preload_requests_set set = { .mode = FY_REQUESTS_TESTALL,
		                               .once = true,
		                               .requests = array_of_requests,
		                               .statuses = array_of_statuses,
		                               .n = count };
	if (!look_at(&set))
		return MPI_ERR_NO_MEM;
	*flag = set.flag;
	return fy_preload_requests_tell(&set.error);
}

int MPI_Testany(int count, MPI_Request *array_of_requests, int *indx, int *flag, MPI_Status *status)
{
	if (fy_caller_is_alone() || count < 0)
		return fy_next.Testany(count, array_of_requests, indx, flag, status);
	struct fy_preload_requests_set set = { .mode = FY_REQUESTS_ANY,
		                               .once = true,
		                               .requests = array_of_requests,
		                               .statuses = status,
		                               .n = count };
	if (!look_at(&set))
		return MPI_ERR_NO_MEM;
	*flag = set.flag;
	*indx = set.flag ? set.count : MPI_UNDEFINED;
	return fy_preload_requests_tell(&set.error);
}

int MPI_Waitany(int count, MPI_Request *array_of_requests, int *indx, MPI_Status *status)
{
	if (fy_caller_way() == FY_WAY_OFF || count < 0)
		return fy_next.Waitany(count, array_of_requests, indx, status);
	struct fy_preload_requests_set set = { .mode = FY_REQUESTS_ANY,
		                               .requests = array_of_requests,
		                               .statuses = status,
		                               .n = count };
	if (!look_at(&set))
		return MPI_ERR_NO_MEM;
	*indx = set.count;
	return fy_preload_requests_tell(&set.error);
}

int MPI_Testsome(int incount, MPI_Request *array_of_requests, int *outcount, int *array_of_indices,
                 MPI_Status *array_of_statuses)
{
	if (fy_caller_is_alone() || incount < 0)
		return fy_next.Testsome(incount, array_of_requests, outcount, array_of_indices,
		                        array_of_statuses);
	struct fy_preload_requests_set set = { .mode = FY_REQUESTS_SOME,
		                               .once = true,
		                               .requests = array_of_requests,
		                               .statuses = array_of_statuses,
		                               .indices = array_of_indices,
		                               .n = incount };
	if (!look_at(&set))
		return MPI_ERR_NO_MEM;
	*outcount = set.count;
	return fy_preload_requests_tell(&set.error);
}

int MPI_Waitsome(int incount, MPI_Request *array_of_requests, int *outcount, int *array_of_indices,
                 MPI_Status *array_of_statuses)
{
	if (fy_caller_way() == FY_WAY_OFF || incount < 0)
		return fy_next.Waitsome(incount, array_of_requests, outcount, array_of_indices,
		                        array_of_statuses);
	struct fy_preload_requests_set set = { .mode = FY_REQUESTS_SOME,
		                               .requests = array_of_requests,
		                               .statuses = array_of_statuses,
		                               .indices = array_of_indices,
		                               .n = incount };
	if (!look_at(&set))
		return MPI_ERR_NO_MEM;
	*outcount = set.count;
	return fy_preload_requests_tell(&set.error);
}
