/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks of a large message: how many, of which part, with which tag; and the structs of those
 * under way, which are used again. outbound.c sends chunks, landing.c receives them. Only the
 * holder of the helm may call.
 */
#include "bulk/chunk.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "bulk/bulk.h"
#include "shared/message.h"

struct fy_chunk *fy_chunk_get(struct fy_bulk *bulk)
{
	struct fy_chunk *c = bulk->chunks;
	if (!c)
		return calloc(1, sizeof *c);
	bulk->chunks = c->next;
	c->next = NULL;
	c->lost = false;
	return c;
}

void fy_chunk_put(struct fy_bulk *bulk, struct fy_chunk *c)
{
	c->next = bulk->chunks;
	bulk->chunks = c;
}

void fy_chunk_free_all(struct fy_bulk *bulk)
{
	while (bulk->chunks) {
		struct fy_chunk *c = bulk->chunks;
		bulk->chunks = c->next;
		free(c);
	}
}

int fy_chunk_tag(const struct fy_bulk *bulk, uint64_t number)
{
	return 1 + (int)(number % (uint64_t)bulk->tag_span);
}

static uint64_t chunk_count(uint64_t nbytes, size_t chunk_bytes)
{
	return nbytes / chunk_bytes + (nbytes % chunk_bytes != 0);
}

char *fy_chunk_part(const ferry_message *m, uint32_t part)
{
	return part == 0 ? m->body : m->attachments[part - 1].data;
}

uint64_t fy_chunk_count_all(const ferry_message *m, uint32_t n_parts, size_t chunk_bytes)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < n_parts; i++)
		n += chunk_count(fy_chunk_part_length(m, i), chunk_bytes);
	return n;
}
