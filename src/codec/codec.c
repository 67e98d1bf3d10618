/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Codecs: an extension type of msgpack, tied to a pair of functions of the program. Any thread.
 *
 * Each engine has one table with one word a type, so a look needs no lock. Registering is a
 * compare-and-swap from NULL, removing is a swap to NULL. A removed entry stays on a list until the
 * engine is closed, because a reader may just have loaded it; programs register few. The table is
 * freed when the engine is closed.
 *
 * Nobody knows how much an encoder will write. So a value is packed behind the longest header that
 * an extension can have, and a short value is then moved up to a short header. An encoder that
 * fails leaves the message as it was.
 */
#include <msgpack.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry_msgpack.h"
#include "base/fail.h"
#include "base/order.h"
#include "codec/object.h"
#include "shared/engine.h"
#include "shared/message.h"

struct codec {
	ferry_encode_fn *encode;
	ferry_decode_fn *decode;
	void *arg;
	struct codec *next; /* in the list of removed ones */
};

struct codecs {
	/* by type: set by any thread (compare-and-swap from NULL), cleared by any (swap), read by
	 * all (acquire) */
	struct codec *of[256];
	struct codec *retired; /* pushed by any thread (compare-and-swap), read at the end only */
};

static void codecs_free(void *slot)
{
	struct codecs *all = slot;
	for (unsigned i = 0; i < 256; i++)
		free(all->of[i]);
	while (all->retired) {
		struct codec *codec = all->retired;
		all->retired = codec->next;
		free(codec);
	}
	free(all);
}

/* The engine's table, made at the first use. NULL: no memory. */
static struct codecs *codecs_of(ferry *engine)
{
	void **slot = fy_engine_slot(engine, codecs_free);
	struct codecs *all = slot ? fy_load_acquire_ptr(slot) : NULL;
	if (!slot || all)
		return all;
	all = calloc(1, sizeof *all);
	if (!all || fy_cas_ptr(slot, NULL, all))
		return all;
	free(all);
	return fy_load_acquire_ptr(slot);
}

/* Does not create the table: a message may outlive it, as it is freed when the engine is closed. */
static struct codec *codec_of(const ferry_message *message, int8_t type)
{
	void **slot = fy_engine_slot(message->engine, codecs_free);
	struct codecs *all = slot ? fy_load_acquire_ptr(slot) : NULL;
	return all ? fy_load_acquire_ptr(&all->of[(uint8_t)type]) : NULL;
}

static int take_away(struct codecs *all, int8_t type)
{
	struct codec *codec = fy_swap_ptr(&all->of[(uint8_t)type], NULL);
	if (!codec)
		return FERRY_OK;
	do {
		codec->next = fy_load_acquire_ptr(&all->retired);
	} while (!fy_cas_ptr(&all->retired, codec->next, codec));
	return FERRY_OK;
}

static int put(struct codecs *all, int8_t type, const struct codec *codec)
{
	struct codec *entry = malloc(sizeof *entry);
	if (!entry)
		return fy_fail(FERRY_ENOMEM, "no memory for a codec");
	*entry = *codec;
	if (fy_cas_ptr(&all->of[(uint8_t)type], NULL, entry))
		return FERRY_OK;
	free(entry);
	return fy_fail(FERRY_EALREADY,
	               "type %d has a codec: take it away first, with both functions NULL", type);
}

static int set(ferry *engine, int8_t type, const struct codec *codec)
{
	struct codecs *all = codecs_of(engine);
	if (!all)
		return fy_fail(FERRY_ENOMEM, "no memory for codecs");
	return codec->encode || codec->decode ? put(all, type, codec) : take_away(all, type);
}

int ferry_codec_register(ferry *engine, int8_t type, ferry_encode_fn *encode,
                         ferry_decode_fn *decode, void *arg)
{
	if (!engine)
		return fy_fail(FERRY_EINVAL, "engine is NULL: open one with ferry_open");
	if (type == FERRY_EXT_BINARY)
		return fy_fail(FERRY_EINVAL,
		               "type %d is the library's, for lifted binaries: use another", type);
	if (!fy_engine_enter(engine)) /* so that no close frees the table meanwhile */
		return fy_fail(FERRY_ESTOPPED, "the engine has stopped");
	int status = set(engine, type, &(struct codec){ encode, decode, arg, NULL });
	fy_engine_leave(engine);
	return status;
}

/* What a function of the program returned: one that is no status becomes `instead`. */
static int outcome(const char *which, int type, int status, int instead)
{
	if (!status)
		return status;
	return fy_fail(status < 0 ? status : instead, "the %s of type %d returned %d: %s", which,
	               type, status,
	               status < 0 ? ferry_strerror(status) : "0 or a negative status");
}

/* ---- packing ------------------------------------------------------------ */

#define HEADER_LONG 6u  /* 0xc9, four bytes of length, type */
#define HEADER_SHORT 3u /* 0xc7, one byte of length, type */

/* Fill in the header of the extension that begins at `start` of the body. */
static int finish_extension(ferry_message *message, size_t start, int8_t type)
{
	size_t length = message->nbytes - start - HEADER_LONG;
	unsigned char *at = (unsigned char *)message->body + start;
	if (length > UINT32_MAX)
		return fy_fail(FERRY_ETOOBIG,
		               "the encoder of type %d wrote %zu bytes: attach large parts", type,
		               length);
	if (length > UINT8_MAX) {
		for (unsigned i = 0; i < 4; i++)
			at[1 + i] = (unsigned char)(length >> (8 * (3 - i)));
		return FERRY_OK;
	}
	memmove(at + HEADER_SHORT, at + HEADER_LONG, length);
	at[0] = 0xc7;
	at[1] = (unsigned char)length;
	at[2] = (unsigned char)type;
	message->nbytes -= HEADER_LONG - HEADER_SHORT;
	return FERRY_OK;
}

static int encode(ferry_message *message, const struct codec *codec, int8_t type, const void *value)
{
	const unsigned char header[HEADER_LONG] = { 0xc9, 0, 0, 0, 0, (unsigned char)type };
	size_t start, attachments = ferry_message_attachments(message);
	ferry_message_body(message, &start);
	int status = ferry_message_write(message, header, sizeof header);
	if (status)
		return status;
	status = outcome("encoder", type, codec->encode(message, value, codec->arg), FERRY_EINVAL);
	if (status == FERRY_OK)
		status = finish_extension(message, start, type);
	if (status)
		fy_object_cut(message, start, attachments);
	return status;
}

int ferry_message_pack_value(ferry_message *message, int8_t type, const void *value)
{
	if (!message)
		return fy_fail(FERRY_EINVAL, "message is NULL: make one with ferry_message_create");
	const struct codec *codec = codec_of(message, type);
	if (!codec || !codec->encode)
		return fy_fail(FERRY_EINVAL,
		               "type %d has no encoder: register one with ferry_codec_register",
		               type);
	return encode(message, codec, type, value);
}

/* ---- decoding ----------------------------------------------------------- */

int ferry_message_value(ferry_message *message, const msgpack_object *extension, void **value_p)
{
	if (!message || !extension || !value_p)
		return fy_fail(FERRY_EINVAL, "message, extension or value_p is NULL");
	if (extension->type != MSGPACK_OBJECT_EXT)
		return fy_fail(FERRY_EINVAL,
		               "the object is not an extension: look at its type first");
	const msgpack_object_ext *ext = &extension->via.ext;
	const struct codec *codec = codec_of(message, ext->type);
	if (!codec || !codec->decode)
		return fy_fail(FERRY_EINVAL,
		               "type %d has no decoder: register one with ferry_codec_register",
		               ext->type);
	void *value = NULL;
	int status = codec->decode(message, ext->ptr, ext->size, &value, codec->arg);
	status = outcome("decoder", ext->type, status, FERRY_EDECODE);
	if (status == FERRY_OK)
		*value_p = value;
	return status;
}
