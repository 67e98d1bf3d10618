/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>

#include "ferry.h"

/* ferry_message_pack. `copy`: attach copies of the binaries, so that nothing is borrowed. */
int fy_object_pack(ferry_message *message, const msgpack_object *object, bool copy);
/* Attach a copy of these bytes. */
int fy_object_attach_copy(ferry_message *message, const void *data, size_t nbytes);
/* Cut a message of the program back to so many bytes and attachments. Attachments that are cut off
 * are released. */
void fy_object_cut(ferry_message *message, size_t nbytes, size_t attachments);
