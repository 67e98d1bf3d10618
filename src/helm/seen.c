/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Since when something has been open. Only the holder of the helm may call.
 */
#include "helm/seen.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void drop_mark(struct fy_seen *seen, unsigned i)
{
	seen->n--;
	memmove(&seen->marks[i], &seen->marks[i + 1], (seen->n - i) * sizeof seen->marks[0]);
}

/* Marks that are passed go. When there are too many the second newest does: then operations that
 * came between two samples count as younger than they are. */
int64_t fy_seen_queue(struct fy_seen *seen, uint64_t first, uint64_t last, int64_t now)
{
	while (seen->n && (int64_t)(seen->marks[0].upto - first) < 0)
		drop_mark(seen, 0);
	if (!seen->n || (int64_t)(last - seen->marks[seen->n - 1].upto) > 0) {
		if (seen->n == FY_SEEN_MARKS)
			drop_mark(seen, FY_SEEN_MARKS - 1);
		seen->marks[seen->n].upto = last;
		seen->marks[seen->n++].at = now;
	}
	return seen->marks[0].at;
}

int64_t fy_seen_thing(struct fy_seen_once *once, const void *what, int64_t now)
{
	if (once->what != what)
		*once = (struct fy_seen_once){ what, now };
	return once->at;
}

static bool grow(struct fy_seen_calls *seen, uint32_t n)
{
	struct fy_seen_call *slots = realloc(seen->slots, n * sizeof *slots);
	if (!slots)
		return false;
	memset(slots + seen->n, 0, (n - seen->n) * sizeof *slots);
	seen->slots = slots;
	seen->n = n;
	return true;
}

int64_t fy_seen_call(struct fy_seen_calls *seen, const struct fy_calls *calls, uint32_t slot,
                     int64_t now)
{
	if (slot >= seen->n && !grow(seen, calls->n))
		return now;
	struct fy_seen_call *s = &seen->slots[slot];
	if (s->generation != calls->slots[slot].generation)
		*s = (struct fy_seen_call){ calls->slots[slot].generation, now };
	return s->at;
}

void fy_seen_free(struct fy_seen_calls *seen)
{
	free(seen->slots);
	*seen = (struct fy_seen_calls){ 0 };
}
