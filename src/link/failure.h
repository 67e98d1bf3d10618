/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct fy_channel;

/* First failures of streams, for the next flush. */
struct fy_failures {
	struct fy_failure *first;
	/* the status of one for which there was no memory; the next flush of any stream gets it */
	int unnoted;
};

struct fy_failure { /* the first failure of a stream towards a rank since its last flush */
	struct fy_failure *next;
	uint32_t stream;
	int status;
	char *detail; /* malloc'd, or NULL */
};

/* Note a failure, unless one is noted already. `detail` is copied, and may be NULL. */
void fy_failure_note(struct fy_channel *ch, uint32_t stream, int status, const char *detail);
/* The first failure since the last call, or 0. Its text, malloc'd or NULL, becomes the caller's. */
int fy_failure_take(struct fy_channel *ch, uint32_t stream, char **detail_p);
