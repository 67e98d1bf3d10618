/* SPDX-License-Identifier: Apache-2.0 */
/* What the communication routines need of the msgpack layer beyond ferry_msgpack.h. */
#ifndef FY_CODEC_H
#define FY_CODEC_H

#include "ferry_msgpack.h"

/* ferry_message_pack; `copy`: what is attached is copied first, so that nothing is borrowed. */
int fy_message_pack(ferry_message *message, const msgpack_object *object, bool copy);
/* Attach a copy of these bytes. */
int fy_message_attach_copy(ferry_message *message, const void *data, size_t nbytes);
/* Undo what was appended to a message of the program since it had this much; what was attached
 * since is released. */
void fy_message_cut(ferry_message *message, size_t nbytes, size_t attachments);

#endif
