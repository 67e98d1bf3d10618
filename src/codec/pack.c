/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packing: the walk over an object that is to be sent. Any thread. It writes to a buffer of its
 * own, which is appended to the message in one piece. So a message stays as it was even if the
 * error is in the object's last element.
 */
#include "codec/pack.h"

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry_msgpack.h"
#include "base/fail.h"
#include "codec/head.h"

struct pack_walk {
	struct fy_packing *packing;
	msgpack_packer packer;
	unsigned depth; /* how many containers are around the present object */
};

static bool walk_object(struct pack_walk *w, const msgpack_object *o);

static bool fail(struct pack_walk *w, int status, const char *text)
{
	w->packing->status = fy_fail(status, "%s", text);
	return false;
}

/* `result` is of a packing function of msgpack-c. If it is not 0 the buffer could not grow. */
static bool packed(struct pack_walk *w, int result)
{
	return result == 0 || fail(w, FERRY_ENOMEM, "no memory to pack the object into");
}

static bool remember(struct fy_packing *p, const msgpack_object_bin *bin)
{
	if (p->n_lifted == p->room) {
		size_t room = p->room ? 2 * p->room : 8;
		void *more = realloc(p->lifted, room * sizeof *p->lifted);
		if (!more)
			return false;
		p->lifted = more;
		p->room = room;
	}
	p->lifted[p->n_lifted++] = bin;
	return true;
}

/* Set a binary aside to be attached, and write a reference in its place. */
static bool lift(struct pack_walk *w, const msgpack_object_bin *bin)
{
	size_t index = w->packing->first + w->packing->n_lifted;
	unsigned char reference[FY_REFERENCE_BYTES];
	for (unsigned i = 0; i < FY_REFERENCE_BYTES; i++)
		reference[i] = (unsigned char)(index >> (8 * i));
	if (index > UINT32_MAX)
		return fail(w, FERRY_EINVAL,
		            "more attachments than a reference can count: use several messages");
	if (!remember(w->packing, bin))
		return fail(w, FERRY_ENOMEM, "no memory for the list of attachments");
	return packed(w, msgpack_pack_ext_with_body(&w->packer, reference, sizeof reference,
	                                            FERRY_EXT_BINARY));
}

static bool walk_bin(struct pack_walk *w, const msgpack_object *o)
{
	const msgpack_object_bin *bin = &o->via.bin;
	if (bin->size >= w->packing->out_of_band)
		return lift(w, bin);
	return packed(w,
	              msgpack_pack_bin_with_body(&w->packer, bin->size ? bin->ptr : "", bin->size));
}

static bool walk_ext(struct pack_walk *w, const msgpack_object *o)
{
	const msgpack_object_ext *ext = &o->via.ext;
	if (ext->type == FERRY_EXT_BINARY)
		return fail(
			w, FERRY_EINVAL,
			"extension type 127 (FERRY_EXT_BINARY) is the library's: use another type");
	return packed(w, msgpack_pack_ext_with_body(&w->packer, ext->size ? ext->ptr : "",
	                                            ext->size, ext->type));
}

static bool walk_array(struct pack_walk *w, const msgpack_object *o)
{
	bool good = packed(w, msgpack_pack_array(&w->packer, o->via.array.size));
	for (uint32_t i = 0; good && i < o->via.array.size; i++)
		good = walk_object(w, &o->via.array.ptr[i]);
	return good;
}

static bool walk_map(struct pack_walk *w, const msgpack_object *o)
{
	bool good = packed(w, msgpack_pack_map(&w->packer, o->via.map.size));
	for (uint32_t i = 0; good && i < o->via.map.size; i++) {
		const msgpack_object_kv *pair = &o->via.map.ptr[i];
		good = walk_object(w, &pair->key) && walk_object(w, &pair->val);
	}
	return good;
}

/* The recursion ends at FERRY_DEPTH_MAX, also for an object that contains itself. */
static bool walk_container(struct pack_walk *w, const msgpack_object *o)
{
	if (w->depth == FERRY_DEPTH_MAX)
		return fail(w, FERRY_EINVAL,
		            "the object is nested deeper than 31 (FERRY_DEPTH_MAX): flatten it");
	w->depth++;
	bool good = o->type == MSGPACK_OBJECT_ARRAY ? walk_array(w, o) : walk_map(w, o);
	w->depth--;
	return good;
}

static bool walk_object(struct pack_walk *w, const msgpack_object *o)
{
	switch (o->type) {
	case MSGPACK_OBJECT_NIL:
	case MSGPACK_OBJECT_BOOLEAN:
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		return packed(w, msgpack_pack_object(&w->packer, *o));
	case MSGPACK_OBJECT_STR:
		return packed(w, msgpack_pack_str_with_body(&w->packer,
		                                            o->via.str.size ? o->via.str.ptr : "",
		                                            o->via.str.size));
	case MSGPACK_OBJECT_BIN:
		return walk_bin(w, o);
	case MSGPACK_OBJECT_EXT:
		return walk_ext(w, o);
	case MSGPACK_OBJECT_ARRAY:
	case MSGPACK_OBJECT_MAP:
		return walk_container(w, o);
	default:
		return fail(w, FERRY_EINVAL,
		            "the object has a type that msgpack does not have: was it set?");
	}
}

int fy_pack(struct fy_packing *packing, const msgpack_object *object)
{
	struct pack_walk w = { .packing = packing };
	msgpack_packer_init(&w.packer, &packing->bytes, msgpack_sbuffer_write);
	return walk_object(&w, object) ? FERRY_OK : packing->status;
}

void fy_pack_end(struct fy_packing *packing)
{
	msgpack_sbuffer_destroy(&packing->bytes);
	free(packing->lifted);
}
