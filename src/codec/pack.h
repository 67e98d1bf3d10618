/* SPDX-License-Identifier: Apache-2.0 */
/* Packing an object into bytes of its own, with the large binaries set aside. */
#ifndef FY_CODEC_PACK_H
#define FY_CODEC_PACK_H

#include <msgpack.h>
#include <stddef.h>

/* Zeroed but for the first two before fy_pack. */
struct fy_packing {
	size_t out_of_band; /* binaries from this size on are set aside */
	size_t first;       /* the index that the first of them will have */
	msgpack_sbuffer bytes;
	const msgpack_object_bin **lifted; /* in order of their index */
	size_t n_lifted, room;
	int status; /* why it failed */
};

/* 0, FERRY_EINVAL, FERRY_ENOMEM, with a text. fy_pack_end in any case. */
int fy_pack(struct fy_packing *packing, const msgpack_object *object);
void fy_pack_end(struct fy_packing *packing);

#endif
