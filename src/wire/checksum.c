/* SPDX-License-Identifier: Apache-2.0 */
/* The checksum of a batch: of its header, with 0 in the place of the checksum, and of its records.
 * Any thread. */
#include "wire/checksum.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crc32c.h"
#include "wire/header.h"

static uint32_t checksum_of(const char *batch, size_t nbytes)
{
	static const uint32_t zero;
	size_t before = offsetof(struct fy_batch_header, checksum), behind = before + sizeof zero;
	uint32_t sum = fy_crc32c(0, batch, before);
	sum = fy_crc32c(sum, &zero, sizeof zero);
	return fy_crc32c(sum, batch + behind, nbytes - behind);
}

void fy_checksum_put(char *batch, size_t nbytes)
{
	fy_header_of(batch)->checksum = checksum_of(batch, nbytes);
}

bool fy_checksum_holds(const char *batch, size_t nbytes)
{
	return nbytes >= sizeof(struct fy_batch_header) &&
	       fy_header_of(batch)->checksum == checksum_of(batch, nbytes);
}
