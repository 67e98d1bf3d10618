/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Write the checksum of a batch, whose header is written, into the header. */
void fy_checksum_put(char *batch, size_t nbytes);
/* Are these the bytes that the sender of the batch gave to fy_checksum_put? */
bool fy_checksum_holds(const char *batch, size_t nbytes);
