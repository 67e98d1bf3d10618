/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiver's side of a stream with a large message that is not complete: what came behind it is
 * held, in order. Only the holder of the helm may call.
 */
#include "link/stream_in.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/list.h"
#include "link/link.h"
#include "link/channel.h"
#include "link/control.h"
#include "wire/bodies.h"

bool fy_stream_in_put_acks(struct fy_link *link, struct fy_channel *ch)
{
	for (struct fy_stream_in **at = &ch->streams_in; *at;) {
		struct fy_stream_in *s = *at;
		struct fy_ack_stream ack = { s->stream, s->unacked };
		if (s->unacked && !fy_control_put(link, ch, FY_OP_ACK_STREAM, &ack, sizeof ack))
			return false;
		s->unacked = 0;
		if (s->first) {
			at = &s->next;
		} else {
			/* nothing is held in it: drop it until the next large message */
			*at = s->next;
			free(s);
		}
	}
	ch->stream_ack_owed = false;
	return true;
}

static struct fy_stream_in *find(const struct fy_channel *ch, uint32_t stream)
{
	struct fy_stream_in *s = ch->streams_in;
	while (s && s->stream != stream)
		s = s->next;
	return s;
}

struct fy_stream_in *fy_stream_in_find(struct fy_channel *ch, uint32_t stream)
{
	struct fy_stream_in *s = find(ch, stream);
	if (s)
		return s;
	s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->stream = stream;
	s->ch = ch;
	s->next = ch->streams_in;
	ch->streams_in = s;
	return s;
}

struct fy_held *fy_stream_in_hold(struct fy_channel *ch, uint32_t stream, unsigned colour,
                                  ferry_message *m)
{
	struct fy_stream_in *s = fy_stream_in_find(ch, stream);
	struct fy_held *held = s ? calloc(1, sizeof *held) : NULL;
	if (!held)
		return NULL;
	held->message = m;
	held->colour = (uint8_t)colour;
	fy_list_append(s->first, s->last, held);
	return held;
}

void fy_stream_in_owe_ack(struct fy_link *link, struct fy_channel *ch, struct fy_stream_in *s)
{
	s->unacked++;
	ch->stream_ack_owed = true;
	fy_channel_owe(link, ch);
}

void fy_stream_in_release(struct fy_link *link, struct fy_channel *ch, uint32_t stream)
{
	struct fy_released *released = &link->released;
	struct fy_stream_in *s = find(ch, stream);
	if (!s || s->is_released)
		return;
	s->is_released = true;
	s->released_next = NULL;
	fy_list_join(released->first, released->last, s, s, released_next);
}
