/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "port/port.h"
#include "shared/message.h"

struct fy_bulk;

struct fy_chunk {
	fy_request request;
	struct fy_chunk *next;
	uint64_t number;
	size_t nbytes;
	const char *data; /* of a receive: where it lands */
	bool lost;        /* of a receive: the sender said that this chunk does not come */
};

struct fy_chunk *fy_chunk_get(struct fy_bulk *bulk); /* NULL: no memory */
void fy_chunk_put(struct fy_bulk *bulk, struct fy_chunk *c);
void fy_chunk_free_all(struct fy_bulk *bulk);
int fy_chunk_tag(const struct fy_bulk *bulk, uint64_t number);
char *fy_chunk_part(const ferry_message *m, uint32_t part);
/* How many chunks a message has; its memory is there. */
uint64_t fy_chunk_count_all(const ferry_message *m, uint32_t n_parts, size_t chunk_bytes);

/* Inline, because each step calls these for each transfer. */
static inline size_t fy_chunk_part_length(const ferry_message *m, uint32_t part)
{
	return part == 0 ? m->nbytes : m->attachments[part - 1].nbytes;
}
