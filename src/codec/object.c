/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects as bodies of messages: packing, decoding, and what is kept for them. Any thread.
 *
 * A message's `extra` slot has what the msgpack layer keeps with it. The slot is filled in by the
 * first thread that needs it (compare and swap; a thread that comes second frees its own), and
 * freed with the message.
 *
 * The decoded object is one allocation, published in the same way. So any number of threads may ask
 * for it at once, and all get the same one. The object points into the body, and records which body
 * that was: while the program writes a message its body may move, and the message is then decoded
 * again. Once a message is posted or received that does not happen, and the object lives as long as
 * the message.
 *
 * A view (shared/message.h) shows bytes in a receive buffer, which is used again when the handler
 * returns. The object has to outlive that if the handler retains the message. So a view is made a
 * message of its own before it is decoded.
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
#include "shared/engine.h"
#include "shared/message.h"

struct decoded {
	const void *body; /* the bytes that it was decoded from */
	size_t nbytes, attachments;
	msgpack_object objects[]; /* the outermost first */
};

struct extra {
	msgpack_packer packer; /* set before the slot is published, constant */
	/* NULL, or published by any thread (compare and swap), read by all (acquire) */
	struct decoded *decoded;
};

static void extra_free(void *extra)
{
	struct extra *e = extra;
	free(e->decoded);
	free(e);
}

/* msgpack-c takes any result but 0 for a failed write. */
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

/* Attach the binaries that were set aside, then append the bytes that refer to them. */
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
	struct fy_packing packing = { .out_of_band = message->engine->options.out_of_band,
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

/* Where an attached binary is. The check has seen that there is such an attachment. */
static msgpack_object_bin reference_to(void *message, uint32_t index)
{
	size_t nbytes = 0;
	const char *data = ferry_message_attachment(message, index, &nbytes);
	return (msgpack_object_bin){ (uint32_t)nbytes, data };
}

/* May a binary be in this attachment? The length of a binary has 32 bits. Only a peer that is not
 * this library refers to a longer attachment. */
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
	size_t bound = message->engine->options.decode_memory;
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

/* Decode and publish. A thread that comes second takes the object of the first. */
static int decode_into(struct extra *e, ferry_message *message, const msgpack_object **object_p)
{
	struct decoded *old = fy_load_acquire_ptr(&e->decoded), *d = NULL;
	if (!is_current(old, message)) {
		int status = decode(message, &d);
		if (status)
			return status;
		bool won = fy_cas_ptr(&e->decoded, old, d);
		free(won ? old : d); /* old: its one writer has written to the message since */
		old = won ? d : fy_load_acquire_ptr(&e->decoded);
	}
	*object_p = old->objects;
	return FERRY_OK;
}

/* Make a view a message of its own. It is not retained by that: a request that the handler did not
 * retain still gets its empty reply. */
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
	if (status)
		return status;
	struct extra *e = extra_of(message);
	return e ? decode_into(e, message, object_p) : FERRY_ENOMEM; /* extra_of gave the text */
}
