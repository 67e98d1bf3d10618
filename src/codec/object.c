/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design notes
 *
 * What the msgpack layer keeps with a message hangs in its `extra` slot: made
 * at the first use by whichever thread comes first (compare and swap; the
 * loser frees its own), freed with the message.
 *
 * The decoded object is one allocation, published in the same way, so that any
 * number of threads may ask for it at once and all get the same one. It points
 * into the body and remembers which: a message that the program still writes
 * may move its body, and is then decoded again. Once a message is posted or
 * received that never happens, and the object lives as long as the message.
 *
 * A view (shared/message.h) shows bytes in a receive buffer that goes back when the
 * handler returns. An object outlives that if the handler retains the message,
 * so a view is made a message of its own before it is decoded.
 */
#include "codec/object.h"

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry_msgpack.h"
#include "base/fail.h"
#include "base/order.h"
#include "codec/check.h"
#include "codec/decode.h"
#include "codec/pack.h"
#include "shared/message.h"

struct decoded {
	const void *body; /* what it was decoded from */
	size_t nbytes, attachments;
	msgpack_object objects[]; /* the outermost first */
};

struct extra {
	msgpack_packer packer;   /* set before the slot is published, constant */
	struct decoded *decoded; /* NULL, or published by compare and swap; read by acquire */
};

static void extra_free(void *extra)
{
	struct extra *e = extra;
	free(e->decoded);
	free(e);
}

/* msgpack-c's way to say that a write failed is not 0. */
static int write_body(void *message, const char *bytes, size_t nbytes)
{
	return ferry_message_write(message, bytes, nbytes) == FERRY_OK ? 0 : -1;
}

/* The slot's content, made at the first use. NULL: no memory. */
static struct extra *extra_of(ferry_message *message)
{
	void **slot = fy_message_extra(message, extra_free);
	struct extra *e = fy_load_acquire_ptr(slot);
	if (e)
		return e;
	e = calloc(1, sizeof *e);
	if (!e) {
		fy_fail(FERRY_ENOMEM, "no memory to pack or decode a message");
		return NULL;
	}
	msgpack_packer_init(&e->packer, message, write_body);
	if (fy_cas_ptr(slot, NULL, e))
		return e;
	free(e);
	return fy_load_acquire_ptr(slot);
}

/* ---- packing ------------------------------------------------------------ */

msgpack_packer *ferry_message_packer(ferry_message *message)
{
	if (!message ||
	    message->flags & (FY_MESSAGE_VIEW | FY_MESSAGE_RECEIVED | FY_MESSAGE_POSTED)) {
		fy_fail(FERRY_EINVAL,
		        "only a message of ferry_message_create that was not posted can be packed");
		return NULL;
	}
	struct extra *e = extra_of(message);
	return e ? &e->packer : NULL;
}

static void free_copy(void *data, void *arg)
{
	(void)arg;
	free(data);
}

int fy_object_attach_copy(ferry_message *message, const void *data, size_t nbytes)
{
	char *copy = malloc(nbytes ? nbytes : 1);
	if (!copy)
		return fy_fail(FERRY_ENOMEM, "no memory for a copy of %zu bytes", nbytes);
	if (nbytes)
		memcpy(copy, data, nbytes);
	int status = ferry_message_attach(message, copy, nbytes, free_copy, NULL);
	if (status)
		free(copy);
	return status;
}

void fy_object_cut(ferry_message *message, size_t nbytes, size_t attachments)
{
	message->nbytes = nbytes;
	while (message->n_attachments > attachments) {
		struct fy_attachment *last = &message->attachments[--message->n_attachments];
		if (last->release)
			last->release(last->data, last->arg);
	}
}

/* Attach what was lifted, then append the bytes that refer to it. */
static int append(ferry_message *message, const struct fy_packing *packing, bool copy)
{
	size_t nbytes, attachments = ferry_message_attachments(message);
	int status = FERRY_OK;
	ferry_message_body(message, &nbytes);
	for (size_t i = 0; status == FERRY_OK && i < packing->n_lifted; i++) {
		const msgpack_object_bin *bin = packing->lifted[i];
		status = copy ? fy_object_attach_copy(message, bin->ptr, bin->size)
		              : ferry_message_attach(message, bin->ptr, bin->size, NULL, NULL);
	}
	if (status == FERRY_OK)
		status = ferry_message_write(message, packing->bytes.data, packing->bytes.size);
	if (status != FERRY_OK && ferry_message_attachments(message) != attachments)
		fy_object_cut(message, nbytes, attachments);
	return status;
}

int fy_object_pack(ferry_message *message, const msgpack_object *object, bool copy)
{
	if (!message || !object)
		return fy_fail(FERRY_EINVAL, "%s is NULL: give both a message and an object",
		               message ? "object" : "message");
	struct fy_packing packing = { .out_of_band = fy_message_options(message)->out_of_band,
		                      .first = ferry_message_attachments(message) };
	int status = fy_pack(&packing, object);
	if (status == FERRY_OK)
		status = append(message, &packing, copy);
	fy_pack_end(&packing);
	return status;
}

int ferry_message_pack(ferry_message *message, const msgpack_object *object)
{
	return fy_object_pack(message, object, false);
}

/* ---- decoding ----------------------------------------------------------- */

/* Where a lifted binary is. The check has seen that there is such an attachment. */
static msgpack_object_bin reference_to(void *message, uint32_t index)
{
	size_t nbytes = 0;
	const char *data = ferry_message_attachment(message, index, &nbytes);
	return (msgpack_object_bin){ (uint32_t)nbytes, data };
}

/* May a binary be in this attachment? Its length has 32 bits; only a peer that is not this library
 * refers to a longer one. */
static const char *judge(void *message, uint32_t index)
{
	size_t nbytes = 0;
	if (index >= ferry_message_attachments(message))
		return "a reference to an attachment that is not there";
	ferry_message_attachment(message, index, &nbytes);
	return nbytes > UINT32_MAX ? "a reference to an attachment that is too long for a binary"
	                           : NULL;
}

/* How many elements options.decode_memory allows. */
static size_t objects_max(const ferry_message *message)
{
	size_t bound = fy_message_options(message)->decode_memory;
	if (bound < sizeof(struct decoded))
		return 0;
	return (bound - sizeof(struct decoded)) / sizeof(msgpack_object);
}

static int malformed(const struct fy_check *check, size_t nbytes)
{
	return fy_fail(FERRY_EDECODE, "at byte %zu of %zu: %s", check->offset, nbytes,
	               check->reason);
}

/* Check and decode the body as it is now. */
static int decode(ferry_message *message, struct decoded **decoded_p)
{
	size_t nbytes = 0;
	const void *body = ferry_message_body(message, &nbytes);
	struct fy_check check = { .objects_max = objects_max(message),
		                  .judge = judge,
		                  .arg = message };
	if (!fy_check(&check, body, nbytes))
		return malformed(&check, nbytes);
	struct decoded *d = malloc(sizeof *d + check.objects * sizeof(msgpack_object));
	if (!d)
		return fy_fail(FERRY_ENOMEM, "no memory for an object of %zu elements",
		               check.objects);
	d->body = body;
	d->nbytes = nbytes;
	d->attachments = ferry_message_attachments(message);
	fy_decode(body, d->objects, reference_to, message);
	*decoded_p = d;
	return FERRY_OK;
}

static bool is_current(const struct decoded *d, const ferry_message *message)
{
	size_t nbytes = 0;
	const void *body = ferry_message_body(message, &nbytes);
	return d && d->body == body && d->nbytes == nbytes &&
	       d->attachments == ferry_message_attachments(message);
}

/* Decode and publish; who loses the race takes the winner's. */
static int decode_into(struct extra *e, ferry_message *message, const msgpack_object **object_p)
{
	struct decoded *old = fy_load_acquire_ptr(&e->decoded), *d = NULL;
	if (!is_current(old, message)) {
		int status = decode(message, &d);
		if (status != FERRY_OK)
			return status;
		bool won = fy_cas_ptr(&e->decoded, old, d);
		free(won ? old : d); /* old: of a message that its one writer wrote on */
		old = won ? d : fy_load_acquire_ptr(&e->decoded);
	}
	*object_p = old->objects;
	return FERRY_OK;
}

/* Make a view a message of its own. Not by retaining: a request that the handler did not retain
 * gets its empty reply. */
static int leave_buffer(ferry_message *message)
{
	if (message->flags & FY_MESSAGE_VIEW)
		fy_message_keep(message);
	if (message->flags & FY_MESSAGE_VIEW)
		return fy_fail(FERRY_ENOMEM, "no memory to keep the message that is to be decoded");
	return FERRY_OK;
}

int ferry_message_object(ferry_message *message, const msgpack_object **object_p)
{
	if (!message || !object_p)
		return fy_fail(FERRY_EINVAL, "%s is NULL", message ? "object_p" : "message");
	int status = leave_buffer(message);
	if (status != FERRY_OK)
		return status;
	struct extra *e = extra_of(message);
	return e ? decode_into(e, message, object_p) : FERRY_ENOMEM; /* with a sentence */
}
