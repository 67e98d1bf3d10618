/* SPDX-License-Identifier: Apache-2.0 */
/* From checked msgpack bytes to a tree of msgpack_object, in memory of the caller. Any thread. */
#pragma once

#include <msgpack.h>
#include <stdint.h>

/* A lifted binary: where its bytes are. */
typedef msgpack_object_bin fy_reference_fn(void *arg, uint32_t index);

/*
 * Decode bytes that have passed fy_check into `objects`, as many as it counted; objects[0] is the
 * outermost. Nothing is copied: strings, binaries and extensions point into the bytes, references
 * to where `reference` says.
 */
void fy_decode(const void *bytes, msgpack_object *objects, fy_reference_fn *reference, void *arg);
