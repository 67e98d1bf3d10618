/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first failure of a stream towards a rank, noted for the next flush. Only the holder of the
 * helm may call.
 */
#include "link/failure.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "link/channel.h"

void fy_failure_note(struct fy_channel *ch, uint32_t stream, int status, const char *detail)
{
	for (struct fy_failure *f = ch->failures.first; f; f = f->next)
		if (f->stream == stream)
			return;
	struct fy_failure *f = malloc(sizeof *f);
	if (!f) {
		ch->failures.unnoted = status;
		return;
	}
	*f = (struct fy_failure){ ch->failures.first, stream, status,
		                  detail ? strdup(detail) : NULL };
	ch->failures.first = f;
}

/* A noted failure of stream UINT32_MAX is one of every stream. */
int fy_failure_take(struct fy_channel *ch, uint32_t stream, char **detail_p)
{
	if (ch->gone)
		return ch->gone;
	for (struct fy_failure **at = &ch->failures.first; *at; at = &(*at)->next) {
		struct fy_failure *f = *at;
		if (f->stream != stream && f->stream != UINT32_MAX)
			continue;
		int status = f->status;
		*detail_p = f->detail;
		*at = f->next;
		free(f);
		return status;
	}
	int status = ch->failures.unnoted;
	ch->failures.unnoted = 0;
	return status;
}
