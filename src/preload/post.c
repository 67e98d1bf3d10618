/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that a thread of the program starts: any thread. */
#include "preload/post.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/order.h"
#include "preload/caller.h"
#include "preload/ended.h"
#include "preload/errors.h"
#include "preload/helm.h"
#include "preload/lanes.h"
#include "preload/next.h"
#include "preload/report.h"
#include "preload/slot.h"
#include "preload/start.h"

/* ---- nonblocking --------------------------------------------------------------------------- */

struct post {
	struct fy_preload_start *start;
	MPI_Request *request;
	int code;
};

static bool start_one(void *arg)
{
	struct post *p = arg;
	p->code = fy_preload_start(p->start, p->request);
	return true;
}

static bool queue(const struct fy_preload_start *start, MPI_Request *request)
{
	struct fy_preload_lane *lane = fy_caller_lane();
	struct fy_preload_slot *slot = lane ? fy_preload_slot_take() : NULL;
	if (!slot)
		return false;
	slot->comm = start->comm;
	if (!fy_preload_lanes_post(lane, start, slot)) {
		fy_preload_slot_give(slot);
		return false;
	}
	*request = fy_preload_slot_handle(slot);
	return true;
}

int fy_preload_post(struct fy_preload_start *start, MPI_Request *request)
{
	if (fy_preload_helm_try()) {
		int code = fy_preload_start(start, request);
		fy_preload_report.at_once++;
		fy_preload_helm_give();
		return code;
	}
	if (!fy_preload_start_looks_right(start))
		return fy_preload_start(start, request);
	if (!queue(start, request)) {
		struct post p = { start, request, MPI_SUCCESS };
		fy_preload_helm_wait(start_one, &p);
		return p.code;
	}
	if (fy_preload_helm_try())
		fy_preload_helm_give();
	return MPI_SUCCESS;
}

/* ---- blocking ------------------------------------------------------------------------------ */

/* One half of an operation that blocks. */
struct half {
	struct fy_preload_start *start;
	MPI_Status *status;
	MPI_Request native;
	int code;
	bool begun, ended;
	bool silent; /* nobody was told of `code` yet */
};

static bool go_on(struct half *h)
{
	if (!h->begun) {
		h->begun = true;
		h->code = fy_preload_start(h->start, &h->native);
		h->ended = h->code != MPI_SUCCESS;
	}
	if (!h->ended) {
		int flag = 0;
		h->code =
			FY_ERRORS_KEEP(&h->silent, fy_preload_ended(&h->native, &flag, h->status));
		h->ended = flag || h->code != MPI_SUCCESS;
	}
	return h->ended;
}

static bool poll_half(void *arg)
{
	return go_on(arg);
}

/* The receive first: then the message of another rank that does the same finds it. */
static bool poll_both(void *arg)
{
	struct half *receive = arg, *send = receive + 1;
	bool received = go_on(receive), sent = go_on(send);
	return received && sent;
}

/* The error of a wrong argument is raised in this thread. With the helm that is so anyway; without
 * it another one may start the operation, so it is looked at first. */
static void block(struct half *h)
{
	if (fy_caller_way_of(NULL) != FY_WAY_HELM)
		fy_preload_helm_run(poll_half, h);
	else if (fy_preload_helm_try())
		fy_preload_helm_go_on(poll_half, h);
	else if (fy_preload_start_looks_right(h->start) || !go_on(h))
		fy_preload_helm_wait(poll_half, h);
}

int fy_preload_post_block(struct fy_preload_start *start, MPI_Status *status)
{
	struct half h = { .start = start, .status = status };
	block(&h);
	return fy_preload_errors_raise(start->comm, h.code, h.silent);
}

/* What comes from nobody is there at once, and what goes there is gone. */
static int exchange_with_nobody(struct fy_preload_start *send, struct fy_preload_start *receive,
                                MPI_Status *status)
{
	bool sends = send->peer != MPI_PROC_NULL, receives = receive->peer != MPI_PROC_NULL;
	int code = sends ? fy_preload_post_block(send, MPI_STATUS_IGNORE) : MPI_SUCCESS;
	if (code != MPI_SUCCESS)
		return code;
	return receives ? fy_preload_post_block(receive, status)
	                : fy_next.Recv(receive->buffer, 0, MPI_BYTE, MPI_PROC_NULL, receive->tag,
	                               receive->comm, status);
}

int fy_preload_post_exchange(struct fy_preload_start *send, struct fy_preload_start *receive,
                             MPI_Status *status)
{
	struct half both[2] = { { .start = receive, .status = status },
		                { .start = send, .status = MPI_STATUS_IGNORE } };
	if (receive->peer == MPI_PROC_NULL || send->peer == MPI_PROC_NULL)
		return exchange_with_nobody(send, receive, status);
	fy_preload_helm_run(poll_both, both);
	const struct half *bad = both[0].code != MPI_SUCCESS ? &both[0] : &both[1];
	return fy_preload_errors_raise(receive->comm, bad->code, bad->silent);
}
