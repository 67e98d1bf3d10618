/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ferry.h"

/* Copy a body with attachments inside (FY_ATTACHED) into a message. 0, ENOMEM, EDECODE. */
int fy_fold_read(ferry *engine, uint32_t op, const char *bytes, size_t nbytes,
                 ferry_message **message_p);
/* The length of that form in bytes; and writing it. */
size_t fy_fold_size(const ferry_message *message);
void fy_fold_write(const ferry_message *message, char *to);
