/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The CRC-32C of these bytes, behind bytes whose CRC-32C is `sum` (0: behind nothing). Any
 * thread. */
uint32_t fy_crc32c(uint32_t sum, const void *data, size_t nbytes);
/* The same without the processor's instruction. */
uint32_t fy_crc32c_by_table(uint32_t sum, const void *data, size_t nbytes);
