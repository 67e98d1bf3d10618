/* SPDX-License-Identifier: Apache-2.0 */
/* Testing arrays of requests: the holder of the helm, for whoever waits. requests.h says what. */
#include "preload/requests.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/order.h"
#include "preload/caller.h"
#include "preload/ended.h"
#include "preload/errors.h"
#include "preload/next.h"
#include "preload/slot.h"

/* MPI_ERROR of a status belongs to calls that return MPI_ERR_IN_STATUS. */
static void copy_status(MPI_Status *to, const MPI_Status *from)
{
	int kept = to->MPI_ERROR;
	*to = *from;
	to->MPI_ERROR = kept;
}

/* A way to ask whether a request has ended. */
typedef int ask_function(MPI_Request *request, int *flag, MPI_Status *status);

static int test_slot(struct fy_preload_slot *slot, int *flag, ask_function *ask)
{
	if (slot->state == FY_SLOT_STARTED) {
		slot->code = FY_ERRORS_KEEP(&slot->silent, ask(&slot->native, flag, &slot->status));
		if (*flag || slot->code != MPI_SUCCESS)
			slot->state = FY_SLOT_OVER;
	}
	*flag = slot->state == FY_SLOT_OVER;
	return *flag ? slot->code : MPI_SUCCESS;
}

/* What an empty status is only MPI knows. */
static void set_empty(MPI_Status *status)
{
	MPI_Request none = MPI_REQUEST_NULL;
	int flag;
	fy_next.Test(&none, &flag, status);
}

/* ---- one ----------------------------------------------------------------------------------- */

/* As MPI_Test, but a handle of the layer stays what it is. `flag` is also set if MPI failed. */
static int test(MPI_Request *request, MPI_Status *status, int *flag, ask_function *ask,
                struct fy_preload_requests_error *error)
{
	*flag = 0;
	error->comm = MPI_COMM_WORLD; /* of MPI's own requests it is not known */
	error->silent = false;
	if (!fy_preload_slot_is_ours(*request)) {
		int code = FY_ERRORS_KEEP(&error->silent, ask(request, flag, status));
		*flag |= code != MPI_SUCCESS;
		return code;
	}
	struct fy_preload_slot *slot = fy_preload_slot_of(*request);
	if (slot->state == FY_SLOT_FREE) { /* used again after its end: as null */
		MPI_Request none = MPI_REQUEST_NULL;
		return fy_next.Test(&none, flag, status);
	}
	int code = test_slot(slot, flag, ask);
	error->comm = slot->comm;
	error->silent = slot->silent;
	if (*flag && status != MPI_STATUS_IGNORE)
		copy_status(status, &slot->status);
	return code;
}

bool fy_preload_requests_wait_one(void *arg)
{
	struct fy_preload_requests_one *one = arg;
	one->error.code = test(one->request, one->status, &one->flag,
	                       ++one->looks % FY_PRELOAD_LOOKS ? fy_preload_ended : fy_next.Test,
	                       &one->error);
	return one->flag;
}

bool fy_preload_requests_test_one(void *arg)
{
	struct fy_preload_requests_one *one = arg;
	one->error.code = test(one->request, one->status, &one->flag, fy_next.Test, &one->error);
	return true;
}

/* ---- all at once --------------------------------------------------------------------------- */

bool fy_preload_requests_begin(struct fy_preload_requests_set *set,
                               struct fy_preload_requests_few *few)
{
	size_t n = set->n > 0 ? (size_t)set->n : 1;
	size_t each = sizeof *set->found + sizeof *set->native + 2 * sizeof *set->where;
	if (n * each > sizeof few->bytes && !(set->memory = malloc(n * each)))
		return false;
	set->native = set->memory ? set->memory : few;
	set->found = (void *)(set->native + n);
	set->where = (void *)(set->found + n);
	set->done = set->where + n;
	return true;
}

void fy_preload_requests_end(struct fy_preload_requests_set *set)
{
	free(set->memory);
}

/* The same handle stands further in front: MPI must not get its request twice. */
static bool is_second(const struct fy_preload_requests_set *set, const struct fy_preload_slot *slot,
                      MPI_Request request)
{
	return slot->place < (uint32_t)set->m && set->requests[set->where[slot->place]] == request;
}

/* Lanes are empty, so each slot has a request by now, or has ended. */
static void prepare(struct fy_preload_requests_set *set)
{
	set->ready = true;
	set->m = 0;
	for (int i = 0; i < set->n; i++) {
		MPI_Request request = set->requests[i];
		if (fy_preload_slot_is_ours(request)) {
			struct fy_preload_slot *slot = fy_preload_slot_of(request);
			if (slot->state != FY_SLOT_STARTED || is_second(set, slot, request))
				continue;
			slot->place = (uint32_t)set->m;
			request = slot->native;
		}
		if (request == MPI_REQUEST_NULL)
			continue;
		set->native[set->m] = request;
		set->where[set->m++] = i;
	}
}

static bool is_over(const struct fy_preload_requests_set *set, int i)
{
	MPI_Request request = set->requests[i];
	return fy_preload_slot_is_ours(request) &&
	       fy_preload_slot_of(request)->state == FY_SLOT_OVER;
}

/* Tell where it came from what MPI made of a request. */
static void put_back(struct fy_preload_requests_set *set, int k)
{
	MPI_Request *request = &set->requests[set->where[k]];
	if (!fy_preload_slot_is_ours(*request)) {
		*request = set->native[k];
		return;
	}
	struct fy_preload_slot *slot = fy_preload_slot_of(*request);
	slot->native = set->native[k];
	if (slot->native == MPI_REQUEST_NULL)
		slot->state = FY_SLOT_OVER;
}

/* One that ended when it was started: MPI never had it. */
static bool take_failed(struct fy_preload_requests_set *set)
{
	for (int i = 0; i < set->n; i++) {
		if (!is_over(set, i))
			continue;
		struct fy_preload_slot *slot = fy_preload_slot_of(set->requests[i]);
		set->flag = 1;
		set->count = i;
		set->error =
			(struct fy_preload_requests_error){ slot->code, slot->comm, slot->silent };
		if (set->statuses != MPI_STATUS_IGNORE)
			copy_status(set->statuses, &slot->status);
		return true;
	}
	return false;
}

static bool look_any(struct fy_preload_requests_set *set)
{
	int k = MPI_UNDEFINED;
	if (take_failed(set))
		return true;
	set->flag = 0;
	set->error.code =
		FY_ERRORS_KEEP(&set->error.silent,
	                       fy_next.Testany(set->m, set->native, &k, &set->flag, set->statuses));
	if (set->error.code == MPI_SUCCESS && !set->flag)
		return false;
	set->count = MPI_UNDEFINED;
	if (k >= 0 && k < set->m) {
		put_back(set, k);
		set->count = set->where[k];
		if (fy_preload_slot_is_ours(set->requests[set->count]))
			set->error.comm = fy_preload_slot_of(set->requests[set->count])->comm;
	} else if (set->error.code == MPI_SUCCESS && set->statuses != MPI_STATUS_IGNORE) {
		set_empty(set->statuses);
	}
	return true;
}

static void note_some(struct fy_preload_requests_set *set, int index, const MPI_Status *status)
{
	set->indices[set->count] = index;
	if (set->statuses != MPI_STATUSES_IGNORE)
		copy_status(&set->statuses[set->count], status);
	set->count++;
}

/* All that this call returns have a code, if one of them has an error. */
static void note_codes(struct fy_preload_requests_set *set, int failed)
{
	set->error.code = MPI_ERR_IN_STATUS;
	for (int i = 0; set->statuses != MPI_STATUSES_IGNORE && i < set->count; i++)
		set->statuses[i].MPI_ERROR =
			i < failed ? fy_preload_slot_of(set->requests[set->indices[i]])->code
				   : set->found[i - failed].MPI_ERROR;
}

static bool look_some(struct fy_preload_requests_set *set)
{
	int n = 0, failed;
	set->count = 0;
	for (int i = 0; i < set->n; i++)
		if (is_over(set, i))
			note_some(set, i, &fy_preload_slot_of(set->requests[i])->status);
	failed = set->count;
	set->error.code =
		FY_ERRORS_KEEP(&set->error.silent,
	                       fy_next.Testsome(set->m, set->native, &n, set->done, set->found));
	if (set->error.code != MPI_SUCCESS && set->error.code != MPI_ERR_IN_STATUS)
		return true;
	if (n == MPI_UNDEFINED && !failed) {
		set->count = MPI_UNDEFINED;
		return true;
	}
	for (int i = 0; n != MPI_UNDEFINED && i < n; i++) {
		if (set->error.code == MPI_SUCCESS)
			set->found[i].MPI_ERROR = MPI_SUCCESS;
		put_back(set, set->done[i]);
		note_some(set, set->where[set->done[i]], &set->found[i]);
	}
	if (set->error.code != MPI_SUCCESS || failed)
		note_codes(set, failed);
	return set->count > 0;
}

/* Has one of them ended when it was started? */
static bool has_failed(const struct fy_preload_requests_set *set)
{
	for (int i = 0; i < set->n; i++)
		if (is_over(set, i) && fy_preload_slot_of(set->requests[i])->code != MPI_SUCCESS)
			return true;
	return false;
}

/* The status of each one of the array, from where it is known. */
static void tell_all(struct fy_preload_requests_set *set)
{
	if (has_failed(set))
		set->error.code = MPI_ERR_IN_STATUS;
	if (set->statuses == MPI_STATUSES_IGNORE)
		return;
	for (int i = 0, k = 0; i < set->n; i++) {
		MPI_Status *status = &set->statuses[i];
		int code = MPI_SUCCESS;
		if (k < set->m && set->where[k] == i) {
			code = set->found[k].MPI_ERROR;
			copy_status(status, &set->found[k++]);
		} else if (is_over(set, i)) {
			code = fy_preload_slot_of(set->requests[i])->code;
			copy_status(status, &fy_preload_slot_of(set->requests[i])->status);
		} else {
			set_empty(status);
		}
		if (set->error.code != MPI_SUCCESS)
			status->MPI_ERROR = code;
	}
}

static int test_all(struct fy_preload_requests_set *set)
{
	return fy_next.Testall(set->m, set->native, &set->flag, set->found);
}

/* None is waited for: all have ended. */
static int wait_all(struct fy_preload_requests_set *set)
{
	set->flag = 1;
	return fy_next.Waitall(set->m, set->native, set->found);
}

static bool look_testall(struct fy_preload_requests_set *set,
                         int (*ask)(struct fy_preload_requests_set *set))
{
	set->flag = 0;
	for (int k = 0; k < set->m; k++)
		set->found[k].MPI_ERROR = MPI_SUCCESS;
	set->error.code = FY_ERRORS_KEEP(&set->error.silent, ask(set));
	if (!set->flag && set->error.code == MPI_SUCCESS)
		return false;
	set->flag = 1;
	tell_all(set);
	for (int k = 0; k < set->m; k++)
		put_back(set, k);
	return true;
}

static bool look_all(struct fy_preload_requests_set *set)
{
	if (fy_load_acquire_32(&fy_caller_all.alone) || ++set->looks % FY_PRELOAD_LOOKS == 0)
		return look_testall(set, test_all);
	for (; set->at < set->m; set->at++) {
		enum fy_preload_ended_look found = fy_preload_ended_look(set->native[set->at]);
		if (found == FY_ENDED_FAILED)
			return look_testall(set, test_all);
		if (found == FY_ENDED_NOT)
			return false;
	}
	return look_testall(set, wait_all);
}

bool fy_preload_requests_poll_set(void *arg)
{
	struct fy_preload_requests_set *set = arg;
	if (!set->ready)
		prepare(set);
	set->error.comm = MPI_COMM_WORLD;
	bool over = set->mode == FY_REQUESTS_ANY    ? look_any(set)
	            : set->mode == FY_REQUESTS_SOME ? look_some(set)
	            : set->mode == FY_REQUESTS_ALL  ? look_all(set)
	                                            : look_testall(set, test_all);
	return over || set->once;
}

/* ---- behind it ----------------------------------------------------------------------------- */

int fy_preload_requests_tell(const struct fy_preload_requests_error *error)
{
	return fy_preload_errors_raise(error->comm, error->code, error->silent);
}

/* The same handle may stand in it twice. Those that have ended are marked first, and the mark tells
 * a second one from one that goes on. */
void fy_preload_requests_finish(MPI_Request *requests, int n)
{
	for (int i = 0; i < n; i++) {
		if (!fy_preload_slot_is_ours(requests[i]))
			continue;
		struct fy_preload_slot *slot = fy_preload_slot_of(requests[i]);
		if (slot->state == FY_SLOT_OVER)
			slot->state = FY_SLOT_FREE;
		else if (slot->state == FY_SLOT_FREE)
			requests[i] = MPI_REQUEST_NULL;
	}
	for (int i = 0; i < n; i++) {
		if (!fy_preload_slot_is_ours(requests[i]) ||
		    fy_preload_slot_of(requests[i])->state != FY_SLOT_FREE)
			continue;
		fy_preload_slot_give(fy_preload_slot_of(requests[i]));
		requests[i] = MPI_REQUEST_NULL;
	}
}
