/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_LINK_FAILURE_H
#define FY_LINK_FAILURE_H

#include <stdint.h>

struct fy_channel;

/* First failures of streams, for the next flush. */
struct fy_failures {
	struct fy_failure *first;
	/* one for which there was no memory: whichever stream flushes next hears of it */
	int unnoted;
};

struct fy_failure { /* the first failure of a stream towards a rank since its last flush */
	struct fy_failure *next;
	uint32_t stream;
	int status;
	char *detail; /* malloc'd, or NULL */
};

/* `detail` is copied; may be NULL. */
void fy_failure_note(struct fy_channel *ch, uint32_t stream, int status, const char *detail);
/* The first since the last look, or 0; its text, malloc'd or NULL, becomes the caller's. */
int fy_failure_take(struct fy_channel *ch, uint32_t stream, char **detail_p);

#endif
