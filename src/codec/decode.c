/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding of checked msgpack bytes. Any thread.
 *
 * The tree is laid into one array, whose length fy_check has counted. When the header of an array
 * or map is read, its elements get the next free places. So one allocation of a known size has
 * everything. The decoder of msgpack-c allocates as it goes, up to three times what it needs, and
 * would need a second walk to replace references by binaries. tests/fuzz/fuzz_msgpack.c compares
 * the two decoders.
 *
 * A map's key and value are two neighbouring objects here, and a msgpack_object_kv in msgpack-c:
 * the bytes are the same.
 */
#include "codec/decode.h"

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ferry_msgpack.h"
#include "codec/head.h"

_Static_assert(sizeof(msgpack_object_kv) == 2 * sizeof(msgpack_object), "a pair is two objects");

struct decoding {
	const unsigned char *at;
	msgpack_object *free; /* the next free place */
	fy_reference_fn *reference;
	void *arg;
};

static msgpack_object integer(uint64_t number, bool negative)
{
	msgpack_object o = { .type = MSGPACK_OBJECT_POSITIVE_INTEGER };
	o.via.u64 = number;
	if (negative)
		o.type = MSGPACK_OBJECT_NEGATIVE_INTEGER;
	return o;
}

static msgpack_object real(const struct fy_head *head)
{
	msgpack_object o = { .type = MSGPACK_OBJECT_FLOAT64 };
	uint32_t bits = (uint32_t)head->number;
	float single;
	if (head->kind == FY_HEAD_FLOAT64) {
		memcpy(&o.via.f64, &head->number, sizeof o.via.f64);
		return o;
	}
	memcpy(&single, &bits, sizeof single);
	o.type = MSGPACK_OBJECT_FLOAT32;
	o.via.f64 = (double)single;
	return o;
}

static msgpack_object boolean(bool truth)
{
	msgpack_object o = { .type = MSGPACK_OBJECT_BOOLEAN };
	o.via.boolean = truth;
	return o;
}

/* A string or binary, which stays where it is. */
static msgpack_object span(msgpack_object_type type, const struct fy_head *head,
                           const char *payload)
{
	msgpack_object o = { .type = type };
	if (type == MSGPACK_OBJECT_STR)
		o.via.str = (msgpack_object_str){ (uint32_t)head->nbytes, payload };
	else
		o.via.bin = (msgpack_object_bin){ (uint32_t)head->nbytes, payload };
	return o;
}

static msgpack_object extension(struct decoding *d, const struct fy_head *head, const char *payload)
{
	msgpack_object o = { .type = MSGPACK_OBJECT_EXT };
	if (head->type == FERRY_EXT_BINARY) {
		o.type = MSGPACK_OBJECT_BIN;
		o.via.bin = d->reference(d->arg, fy_head_reference((const unsigned char *)payload));
		return o;
	}
	o.via.ext.type = head->type;
	o.via.ext.size = (uint32_t)head->nbytes;
	o.via.ext.ptr = payload;
	return o;
}

/* An array or map. Its elements get their places now, and are filled in later. */
static msgpack_object container(struct decoding *d, const struct fy_head *head)
{
	msgpack_object o = { .type = MSGPACK_OBJECT_ARRAY };
	msgpack_object *places = d->free;
	d->free += head->children;
	if (head->kind == FY_HEAD_ARRAY) {
		o.via.array = (msgpack_object_array){ (uint32_t)head->children, places };
		return o;
	}
	o.type = MSGPACK_OBJECT_MAP;
	o.via.map = (msgpack_object_map){ (uint32_t)(head->children / 2),
		                          (msgpack_object_kv *)(void *)places };
	return o;
}

static msgpack_object decode_one(struct decoding *d, const struct fy_head *head)
{
	const char *payload = (const char *)d->at + head->header;
	switch (head->kind) {
	case FY_HEAD_FALSE:
		return boolean(false);
	case FY_HEAD_TRUE:
		return boolean(true);
	case FY_HEAD_UINT:
		return integer(head->number, false);
	case FY_HEAD_INT:
		return integer(head->number, (int64_t)head->number < 0);
	case FY_HEAD_FLOAT32:
	case FY_HEAD_FLOAT64:
		return real(head);
	case FY_HEAD_STR:
		return span(MSGPACK_OBJECT_STR, head, payload);
	case FY_HEAD_BIN:
		return span(MSGPACK_OBJECT_BIN, head, payload);
	case FY_HEAD_EXT:
		return extension(d, head, payload);
	case FY_HEAD_ARRAY:
	case FY_HEAD_MAP:
		return container(d, head);
	default:
		return (msgpack_object){ .type = MSGPACK_OBJECT_NIL };
	}
}

/* The places of an open container that are still empty. */
struct level {
	msgpack_object *next, *end;
};

void fy_decode(const void *bytes, msgpack_object *objects, fy_reference_fn *reference, void *arg)
{
	struct decoding d = { bytes, objects + 1, reference, arg };
	struct level levels[FERRY_DEPTH_MAX + 1];
	unsigned depth = 0;
	levels[0] = (struct level){ objects, objects + 1 };
	for (;;) {
		while (levels[depth].next == levels[depth].end) {
			if (depth == 0)
				return;
			depth--;
		}
		struct fy_head head;
		/* A header has at most nine bytes. The check has seen that all of it is there. */
		fy_head_read(d.at, 9, &head);
		*levels[depth].next++ = decode_one(&d, &head);
		d.at += head.header + (size_t)head.nbytes;
		if (head.children) {
			depth++;
			levels[depth] = (struct level){ d.free - head.children, d.free };
		}
	}
}
