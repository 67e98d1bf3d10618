/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form of a message with attachments inside of a batch: the number of attachments (u64), their
 * lengths (u64 each), the length of the body (u64), the body, each attachment. Body and attachments
 * are padded to 8 bytes. Only the holder of the helm may call.
 */
#include "link/fold.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "shared/message.h"

static size_t pad8(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

size_t fy_fold_size(const ferry_message *m)
{
	if (!m->n_attachments)
		return m->nbytes;
	size_t size = 16 + 8 * m->n_attachments + pad8(m->nbytes);
	for (size_t i = 0; i < m->n_attachments; i++) {
		if (m->attachments[i].nbytes > SIZE_MAX / 2 - size)
			return SIZE_MAX;
		size += pad8(m->attachments[i].nbytes);
	}
	return size;
}

static char *put_u64(char *to, uint64_t value)
{
	memcpy(to, &value, sizeof value);
	return to + sizeof value;
}

static char *put_part(char *to, const void *data, size_t nbytes)
{
	if (nbytes)
		memcpy(to, data, nbytes);
	memset(to + nbytes, 0, pad8(nbytes) - nbytes);
	return to + pad8(nbytes);
}

void fy_fold_write(const ferry_message *m, char *to)
{
	if (!m->n_attachments) {
		if (m->nbytes)
			memcpy(to, m->body, m->nbytes);
		return;
	}
	to = put_u64(to, m->n_attachments);
	for (size_t i = 0; i < m->n_attachments; i++)
		to = put_u64(to, m->attachments[i].nbytes);
	to = put_u64(to, m->nbytes);
	to = put_part(to, m->body, m->nbytes);
	for (size_t i = 0; i < m->n_attachments; i++)
		to = put_part(to, m->attachments[i].data, m->attachments[i].nbytes);
}

static uint64_t get_u64(const char *from)
{
	uint64_t value;
	memcpy(&value, from, sizeof value);
	return value;
}

/* Do the `count` + 1 lengths at `lengths` (the last is the body's) add up to the `room` bytes
 * behind them? */
static bool lengths_fit(const char *lengths, uint64_t count, size_t room)
{
	for (uint64_t i = 0; i <= count; i++) {
		uint64_t n = get_u64(lengths + 8 * i);
		if (n > room || pad8(n) > room)
			return false;
		room -= pad8(n);
	}
	return room == 0;
}

static bool own_copy(struct fy_attachment *a, const char *from, size_t nbytes)
{
	a->data = malloc(nbytes ? nbytes : 1);
	if (!a->data)
		return false;
	if (nbytes)
		memcpy(a->data, from, nbytes);
	a->nbytes = nbytes;
	a->owned = true;
	return true;
}

int fy_fold_read(ferry *engine, uint32_t op, const char *bytes, size_t nbytes,
                 ferry_message **message_p)
{
	uint64_t count = nbytes >= 16 ? get_u64(bytes) : 0;
	if (!count || count > (nbytes - 16) / 8 ||
	    !lengths_fit(bytes + 8, count, nbytes - 16 - 8 * count))
		return FERRY_EDECODE;
	const char *lengths = bytes + 8;
	size_t body = get_u64(lengths + 8 * count);
	ferry_message *m = fy_message_new(engine, op, body);
	if (!m)
		return FERRY_ENOMEM;
	if (fy_message_reserve_attachments(m, count)) {
		fy_message_free(m);
		return FERRY_ENOMEM;
	}
	const char *at = lengths + 8 * (count + 1);
	if (body)
		memcpy(m->body, at, body);
	at += pad8(body);
	for (uint64_t i = 0; i < count; i++) {
		size_t n = get_u64(lengths + 8 * i);
		if (!own_copy(&m->attachments[i], at, n)) {
			fy_message_free(m);
			return FERRY_ENOMEM;
		}
		at += pad8(n);
	}
	m->flags = FY_MESSAGE_RECEIVED;
	*message_p = m;
	return FERRY_OK;
}
