/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The communication routines of unidist, the sending half; recv.c is the other. Any thread. They
 * use only messages and posts. The original sends an operation and its data as two or more matched
 * messages without tags. Here they are one message, so that two threads cannot interleave theirs.
 */
#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry_msgpack.h"
#include "app/post.h"
#include "base/fail.h"
#include "codec/object.h"
#include "shared/message.h"
#include "shared/thread.h"
#include "unidist/ops.h"

/* ---- sending ------------------------------------------------------------ */

/* What every send checks first. A `blocking` one must not wait on the progress thread. */
static int check_send(const ferry *engine, bool blocking)
{
	if (!engine)
		return fy_fail(FERRY_EINVAL, "engine is NULL: open one with ferry_open");
	if (blocking && fy_thread_must_not_wait(engine))
		return fy_fail(
			FERRY_EDEADLK,
			"a blocking send in inline code would wait for itself: use the i form");
	return FERRY_OK;
}

/* Post, and wait until it is delivered. */
static int deliver(ferry *engine, int rank, ferry_message *message)
{
	ferry_future *future;
	int status = fy_post_message(engine, rank, message, &future);
	if (status)
		return status;
	status = ferry_future_wait(future, FERRY_FOREVER);
	ferry_future_release(future);
	return status;
}

/* The end of every send. Releases `message`, unless keep_p is given and takes it. */
static int send_message(ferry *engine, int rank, ferry_message *message, bool blocking,
                        ferry_future **future_p, ferry_message **keep_p)
{
	int status = blocking ? deliver(engine, rank, message)
	                      : fy_post_message(engine, rank, message, future_p);
	if (status == FERRY_OK && keep_p)
		*keep_p = message;
	else
		ferry_message_release(message);
	return status;
}

/* A message with this object as its body. NULL: an empty body. */
static int make(ferry *engine, uint32_t op, const msgpack_object *object, bool copy,
                ferry_message **message_p)
{
	ferry_message *message = NULL;
	int status = fy_message_create(engine, op, &message);
	if (status == FERRY_OK && object)
		status = fy_object_pack(message, object, copy);
	if (status == FERRY_OK)
		*message_p = message;
	else if (message)
		ferry_message_release(message);
	return status;
}

/* Send an object, for all routines that do. */
static int send_object(ferry *engine, int rank, uint32_t op, const msgpack_object *object,
                       bool blocking, ferry_future **future_p)
{
	ferry_message *message;
	int status = check_send(engine, blocking);
	if (!status)
		status = make(engine, op, object, !blocking && !future_p, &message);
	return status ? status : send_message(engine, rank, message, blocking, future_p, NULL);
}

static int check_object(const msgpack_object *object)
{
	return object ? FERRY_OK
	              : fy_fail(FERRY_EINVAL, "object is NULL: give one, nil for nothing");
}

int ferry_send_object(ferry *engine, int rank, const msgpack_object *object)
{
	int bad = check_object(object);
	return bad ? bad : send_object(engine, rank, FY_OP_OBJECT, object, true, NULL);
}

int ferry_isend_object(ferry *engine, int rank, const msgpack_object *object,
                       ferry_future **future_p)
{
	int bad = check_object(object);
	return bad ? bad : send_object(engine, rank, FY_OP_OBJECT, object, false, future_p);
}

int ferry_send_simple_operation(ferry *engine, int rank, uint32_t op, const msgpack_object *object)
{
	int bad = fy_message_check_op(op);
	return bad ? bad : send_object(engine, rank, op, object, true, NULL);
}

int ferry_isend_simple_operation(ferry *engine, int rank, uint32_t op, const msgpack_object *object,
                                 ferry_future **future_p)
{
	int bad = fy_message_check_op(op);
	return bad ? bad : send_object(engine, rank, op, object, false, future_p);
}

int ferry_isend_serialized_operation(ferry *engine, int rank, uint32_t op, const void *data,
                                     size_t nbytes, ferry_future **future_p)
{
	ferry_message *message = NULL;
	int status = check_send(engine, false);
	if (status == FERRY_OK)
		status = fy_message_check_op(op);
	if (status == FERRY_OK)
		status = make(engine, op, NULL, false, &message);
	if (status)
		return status;
	status = ferry_message_write(message, data, nbytes);
	if (status == FERRY_OK)
		return send_message(engine, rank, message, false, future_p, NULL);
	ferry_message_release(message);
	return status;
}

/* ---- buffers ------------------------------------------------------------ */

/* The caller's release function. A send that fails clears it, because it must not be called
 * then. */
struct loan {
	ferry_release_fn *release;
	void *arg;
};

static void end_loan(void *data, void *arg)
{
	struct loan *loan = arg;
	if (loan->release)
		loan->release(data, loan->arg);
	free(loan);
}

/* Attach memory that is borrowed until `release`. *loan_p is valid as long as the message. */
static int attach_loan(ferry_message *message, const void *data, size_t nbytes,
                       ferry_release_fn *release, void *arg, struct loan **loan_p)
{
	struct loan *loan = malloc(sizeof *loan);
	if (!loan)
		return fy_fail(FERRY_ENOMEM, "no memory to lend a buffer");
	*loan = (struct loan){ release, arg };
	int status = ferry_message_attach(message, data, nbytes, end_loan, loan);
	if (status == FERRY_OK)
		*loan_p = loan;
	else
		free(loan);
	return status;
}

static int post_loan(ferry *engine, int rank, ferry_message *message, struct loan *loan,
                     ferry_future **future_p)
{
	int status = fy_post_message(engine, rank, message, future_p);
	if (status)
		loan->release = NULL;
	ferry_message_release(message);
	return status;
}

static int make_buffer(ferry *engine, bool blocking, const void *data, size_t nbytes,
                       ferry_message **message_p)
{
	int status = check_send(engine, blocking);
	if (status)
		return status;
	if (!data && nbytes > 0)
		return fy_fail(FERRY_EINVAL, "data is NULL, but nbytes is %zu", nbytes);
	return make(engine, FY_OP_BUFFER, NULL, false, message_p);
}

int ferry_send_buffer(ferry *engine, int rank, const void *data, size_t nbytes)
{
	ferry_message *message;
	int status = make_buffer(engine, true, data, nbytes, &message);
	if (status)
		return status;
	status = ferry_message_attach(message, data, nbytes, NULL, NULL);
	if (status == FERRY_OK)
		return send_message(engine, rank, message, true, NULL, NULL);
	ferry_message_release(message);
	return status;
}

int ferry_isend_buffer(ferry *engine, int rank, const void *data, size_t nbytes,
                       ferry_release_fn *release, void *arg, ferry_future **future_p)
{
	ferry_message *message;
	struct loan *loan = NULL;
	int status = make_buffer(engine, false, data, nbytes, &message);
	if (status)
		return status;
	if (release)
		status = attach_loan(message, data, nbytes, release, arg, &loan);
	else if (future_p)
		status = ferry_message_attach(message, data, nbytes, NULL, NULL);
	else
		status = fy_object_attach_copy(message, data, nbytes);
	if (loan)
		return post_loan(engine, rank, message, loan, future_p);
	if (status == FERRY_OK)
		return send_message(engine, rank, message, false, future_p, NULL);
	ferry_message_release(message);
	return status;
}

/* ---- serialized once, sent often ---------------------------------------- */

static void release_lender(void *data, void *arg)
{
	(void)data;
	ferry_message_release(arg);
}

/* Append the body of a packed message, and attach its attachments, borrowed from it. */
static int borrow_all(ferry_message *message, ferry_message *packed)
{
	size_t nbytes;
	const void *body = ferry_message_body(packed, &nbytes);
	int status = ferry_message_write(message, body, nbytes);
	for (size_t i = 0; status == FERRY_OK && i < ferry_message_attachments(packed); i++) {
		const void *data = ferry_message_attachment(packed, i, &nbytes);
		ferry_message_retain(packed);
		status = ferry_message_attach(message, data, nbytes, release_lender, packed);
		if (status)
			ferry_message_release(packed);
	}
	return status;
}

/* The packed message under this op. If that is not its own op it is another message with the same
 * bytes, because a message cannot change its op. Nothing is serialized. */
static int again(ferry *engine, uint32_t op, ferry_message *packed, ferry_message **message_p)
{
	if (ferry_message_op(packed) == op && packed->engine == engine &&
	    !(packed->flags & FY_MESSAGE_RECEIVED)) {
		ferry_message_retain(packed);
		*message_p = packed;
		return FERRY_OK;
	}
	ferry_message *message;
	int status = make(engine, op, NULL, false, &message);
	if (status)
		return status;
	status = borrow_all(message, packed);
	if (status == FERRY_OK)
		*message_p = message;
	else
		ferry_message_release(message);
	return status;
}

static int send_complex(ferry *engine, int rank, uint32_t op, const msgpack_object *object,
                        ferry_message **packed_p, bool blocking, ferry_future **future_p)
{
	ferry_message *message = NULL;
	int status = check_send(engine, blocking);
	if (status)
		return status;
	if (object)
		status = make(engine, op, object, !blocking && !future_p, &message);
	else if (packed_p && *packed_p)
		status = again(engine, op, *packed_p, &message);
	else
		status = fy_fail(FERRY_EINVAL,
		                 "object is NULL and *packed_p has no message to send again");
	if (status)
		return status;
	return send_message(engine, rank, message, blocking, future_p, object ? packed_p : NULL);
}

int ferry_send_complex_data(ferry *engine, int rank, const msgpack_object *object,
                            ferry_message **packed_p)
{
	return send_complex(engine, rank, FY_OP_COMPLEX, object, packed_p, true, NULL);
}

int ferry_isend_complex_data(ferry *engine, int rank, const msgpack_object *object,
                             ferry_message **packed_p, ferry_future **future_p)
{
	return send_complex(engine, rank, FY_OP_COMPLEX, object, packed_p, false, future_p);
}

int ferry_isend_complex_operation(ferry *engine, int rank, uint32_t op,
                                  const msgpack_object *object, ferry_message **packed_p,
                                  ferry_future **future_p)
{
	int bad = fy_message_check_op(op);
	return bad ? bad : send_complex(engine, rank, op, object, packed_p, false, future_p);
}
