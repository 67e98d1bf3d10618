/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The communication routines of unidist, the receiving half: ferry_recv, and fetching what is set
 * aside between two calls. Any thread.
 */
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ferry_msgpack.h"
#include "app/recv.h"
#include "base/cancel.h"
#include "base/fail.h"
#include "base/timeout.h"
#include "shared/engine.h"
#include "shared/thread.h"
#include "unidist/set_aside.h"
#include "unidist/ops.h"

/* What every receive begins with. After FERRY_OK the engine, and with it the list, stays until
 * fy_engine_leave. */
static int begin(ferry *engine, int source, int64_t timeout, bool results,
                 struct fy_exchange **exchange_p)
{
	if (!engine)
		return fy_fail(FERRY_EINVAL, "engine is NULL: open one with ferry_open");
	if (!results)
		return fy_fail(FERRY_EINVAL,
		               "there is nowhere to put the result: an output argument is NULL");
	int status = source == FERRY_ANY
	                     ? FERRY_OK
	                     : fy_engine_check_rank(engine, "source", source, ", or FERRY_ANY");
	if (status)
		return status;
	if (!fy_timeout_ok(timeout))
		return fy_fail(FERRY_EINVAL, "a time of %lld ns: use 0 and more, or FERRY_FOREVER",
		               (long long)timeout);
	if (!fy_engine_enter(engine))
		return fy_fail(FERRY_ESTOPPED, "the engine has stopped");
	status = fy_set_aside_of(engine, exchange_p);
	if (status)
		fy_engine_leave(engine);
	return status;
}

/* The entry that was set aside for this call: this thread's operation, or else, if `op` is
 * FY_OP_BUFFER, a buffer that did not fit before. */
static struct fy_set_aside *find_kept(struct fy_exchange *x, int source, uint32_t op)
{
	struct fy_set_aside *kept = fy_set_aside_take(x, fy_set_aside_thread(), source);
	return kept || op != FY_OP_BUFFER ? kept : fy_set_aside_take(x, FY_ANY_THREAD, source);
}

/* The data of this thread's operation, or else the next message of this op. */
static int receive(ferry *engine, int source, uint32_t op, int64_t timeout,
                   ferry_message **message_p)
{
	struct fy_exchange *x;
	int status = begin(engine, source, timeout, message_p != NULL, &x);
	if (status)
		return status;
	struct fy_set_aside *kept = find_kept(x, source, op);
	if (kept)
		*message_p = kept->message;
	else
		status = fy_recv(engine, source, op, timeout, message_p);
	free(kept);
	fy_engine_leave(engine);
	return status;
}

int ferry_recv_object(ferry *engine, int source, int64_t timeout, ferry_message **message_p)
{
	return receive(engine, source, FY_OP_OBJECT, timeout, message_p);
}

int ferry_recv_simple_operation(ferry *engine, int source, int64_t timeout,
                                ferry_message **message_p)
{
	return receive(engine, source, FY_OP_OBJECT, timeout, message_p);
}

int ferry_recv_complex_data(ferry *engine, int source, int64_t timeout, ferry_message **message_p)
{
	return receive(engine, source, FY_OP_COMPLEX, timeout, message_p);
}

int ferry_recv_serialized_data(ferry *engine, int source, int64_t timeout,
                               ferry_message **message_p)
{
	return receive(engine, source, FY_OP_BUFFER, timeout, message_p);
}

const void *ferry_message_data(const ferry_message *message, size_t *nbytes_p)
{
	if (message && ferry_message_op(message) == FY_OP_BUFFER)
		return ferry_message_attachment(message, 0, nbytes_p);
	return ferry_message_body(message, nbytes_p);
}

/* Sleep between two polls. Without a progress thread, drive the engine first. */
static void pause_for(ferry *engine, int64_t backoff)
{
	struct timespec time = { .tv_sec = backoff / 1000000000, .tv_nsec = backoff % 1000000000 };
	int cancel = fy_cancel_later();
	if (engine->options.flags & FERRY_NO_THREAD)
		ferry_progress(engine, 0);
	if (backoff)
		while (nanosleep(&time, &time) != 0 && errno == EINTR)
			;
	else
		sched_yield();
	fy_cancel_as(cancel);
}

int ferry_busy_wait_recv(ferry *engine, int source, int64_t backoff, ferry_message **message_p)
{
	if (backoff < 0)
		return fy_fail(FERRY_EINVAL, "a backoff of %lld ns: use 0 and more",
		               (long long)backoff);
	int status = receive(engine, source, FY_OP_OBJECT, 0, message_p);
	if (status == FERRY_PENDING && fy_thread_must_not_wait(engine))
		return fy_fail(FERRY_EDEADLK,
		               "polling in inline code would wait for itself: use a handler");
	while (status == FERRY_PENDING) {
		pause_for(engine, backoff);
		status = fy_recv(engine, source, FY_OP_OBJECT, 0, message_p);
	}
	return status;
}

/* ---- operations --------------------------------------------------------- */

static bool has_data(const ferry_message *message)
{
	size_t nbytes;
	ferry_message_body(message, &nbytes);
	return nbytes > 0 || ferry_message_attachments(message) > 0;
}

/* FERRY_EINVAL if this thread has not fetched the data of its operation before. One without data
 * need not be fetched. */
static int check_fetched(struct fy_exchange *x)
{
	struct fy_set_aside *kept = fy_set_aside_take(x, fy_set_aside_thread(), FERRY_ANY);
	if (!kept)
		return FERRY_OK;
	if (has_data(kept->message)) {
		int status = fy_fail(FERRY_EINVAL,
		                     "the data of operation %u from rank %d was not fetched: call "
		                     "a ferry_recv_... first",
		                     ferry_message_op(kept->message),
		                     ferry_message_source(kept->message));
		fy_set_aside_put(x, kept);
		return status;
	}
	ferry_message_release(kept->message);
	free(kept);
	return FERRY_OK;
}

/* Receive the next operation, and set it aside for this thread. */
static int keep_operation(ferry *engine, struct fy_exchange *x, int64_t timeout, uint32_t *op_p,
                          int *source_p)
{
	struct fy_set_aside *kept = malloc(sizeof *kept);
	if (!kept)
		return fy_fail(FERRY_ENOMEM, "no memory to keep an operation's data");
	kept->thread = fy_set_aside_thread();
	int status = ferry_recv(engine, FERRY_ANY, FERRY_ANY_OP, timeout, &kept->message);
	if (status) {
		free(kept);
		return status;
	}
	*op_p = ferry_message_op(kept->message);
	*source_p = ferry_message_source(kept->message);
	fy_set_aside_put(x, kept);
	return FERRY_OK;
}

int ferry_recv_operation_type(ferry *engine, int64_t timeout, uint32_t *op_p, int *source_p)
{
	struct fy_exchange *x;
	int status = begin(engine, FERRY_ANY, timeout, op_p && source_p, &x);
	if (status)
		return status;
	status = check_fetched(x);
	if (status == FERRY_OK)
		status = keep_operation(engine, x, timeout, op_p, source_p);
	fy_engine_leave(engine);
	return status;
}

/* ---- receiving buffers --------------------------------------------------- */

/* Memory with the bytes, which becomes the caller's: the attachment's own if it can be taken, else
 * a copy. */
static void *take_bytes(ferry_message *message, const void *data, size_t nbytes)
{
	size_t taken;
	void *memory =
		ferry_message_attachments(message) ? ferry_message_take(message, 0, &taken) : NULL;
	if (memory)
		return memory;
	memory = malloc(nbytes ? nbytes : 1);
	if (memory && nbytes)
		memcpy(memory, data, nbytes);
	return memory;
}

/* Give the message's bytes to the caller of ferry_recv_buffer. */
static int give_bytes(ferry_message *message, void **data_p, size_t *nbytes_p)
{
	size_t nbytes = 0, room = *nbytes_p;
	bool attached = ferry_message_attachments(message) > 0;
	const void *data = ferry_message_body(message, &nbytes);
	if (attached && (nbytes > 0 || ferry_message_attachments(message) > 1))
		return fy_fail(FERRY_EINVAL,
		               "the data of operation %u is an object: use ferry_recv_complex_data",
		               ferry_message_op(message));
	if (attached)
		data = ferry_message_attachment(message, 0, &nbytes);
	if (!*data_p) {
		void *memory = take_bytes(message, data, nbytes);
		if (!memory)
			return fy_fail(FERRY_ENOMEM, "no memory for a buffer of %zu bytes", nbytes);
		*data_p = memory;
	} else if (nbytes > room) {
		*nbytes_p = nbytes;
		return fy_fail(
			FERRY_ETRUNC,
			"the buffer has %zu bytes, there is room for %zu: call again with more",
			nbytes, room);
	} else if (nbytes)
		memcpy(*data_p, data, nbytes);
	*nbytes_p = nbytes;
	return FERRY_OK;
}

/* A buffer that was set aside, or the next one that comes, as an entry that can be put back into
 * the list. */
static int receive_kept(ferry *engine, struct fy_exchange *x, int source, int64_t timeout,
                        struct fy_set_aside **kept_p)
{
	struct fy_set_aside *kept = find_kept(x, source, FY_OP_BUFFER);
	if (!kept) {
		kept = malloc(sizeof *kept);
		if (!kept)
			return fy_fail(FERRY_ENOMEM, "no memory to receive a buffer");
		kept->thread = FY_ANY_THREAD;
		int status = fy_recv(engine, source, FY_OP_BUFFER, timeout, &kept->message);
		if (status) {
			free(kept);
			return status;
		}
	}
	*kept_p = kept;
	return FERRY_OK;
}

/* Receive a buffer and give it to the caller. If that fails the buffer is set aside. */
static int receive_bytes(ferry *engine, struct fy_exchange *x, int source, int64_t timeout,
                         void **data_p, size_t *nbytes_p)
{
	struct fy_set_aside *kept = NULL;
	int status = receive_kept(engine, x, source, timeout, &kept);
	if (status)
		return status;
	status = give_bytes(kept->message, data_p, nbytes_p);
	if (status) {
		fy_set_aside_put(x, kept);
		return status;
	}
	ferry_message_release(kept->message);
	free(kept);
	return FERRY_OK;
}

int ferry_recv_buffer(ferry *engine, int source, int64_t timeout, void **data_p, size_t *nbytes_p)
{
	struct fy_exchange *x;
	int status = begin(engine, source, timeout, data_p && nbytes_p, &x);
	if (status)
		return status;
	status = receive_bytes(engine, x, source, timeout, data_p, nbytes_p);
	fy_engine_leave(engine);
	return status;
}
