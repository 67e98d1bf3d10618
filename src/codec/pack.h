/* SPDX-License-Identifier: Apache-2.0 */
/* Packing an object into a buffer, with the large binaries set aside. Any thread. */
#pragma once

#include <msgpack.h>
#include <stddef.h>

/* The caller sets the first two members, and all others to zero. */
struct fy_packing {
	size_t out_of_band; /* binaries of so many bytes or more are set aside */
	size_t first;       /* the index that the first of them will have as an attachment */
	msgpack_sbuffer bytes;
	const msgpack_object_bin **lifted; /* those set aside, in the order of their index */
	size_t n_lifted, room;
	int status; /* why it failed */
};

/* 0, or FERRY_EINVAL, FERRY_ENOMEM, with a text. Call fy_pack_end in any case. */
int fy_pack(struct fy_packing *packing, const msgpack_object *object);
void fy_pack_end(struct fy_packing *packing);
