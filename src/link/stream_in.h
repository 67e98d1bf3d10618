/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

struct fy_channel;
struct fy_link;
struct fy_held;

/* The receiver's side: what cannot be delivered yet, in order. */
struct fy_stream_in {
	struct fy_stream_in *next;
	uint32_t stream;
	uint32_t unacked; /* how many are delivered and not yet acknowledged */
	struct fy_held *first, *last;
	struct fy_channel *ch;
	/* on link->released: its first one may have become ready */
	struct fy_stream_in *released_next;
	bool is_released;
};
/* Streams in which something became ready in this step; helm/deliver.c delivers it. */
struct fy_released {
	struct fy_stream_in *first, *last;
};
struct fy_held {
	struct fy_held *next;
	ferry_message *message;
	uint8_t colour;
	bool ready;   /* complete: to be delivered once it is the first */
	bool refused; /* it is acknowledged in its turn, but not delivered */
};
bool fy_stream_in_put_acks(struct fy_link *link, struct fy_channel *ch);
struct fy_stream_in *fy_stream_in_find(struct fy_channel *ch, uint32_t stream);
void fy_stream_in_owe_ack(struct fy_link *link, struct fy_channel *ch, struct fy_stream_in *s);
/* Hold a message, or the place of one that has not come (`m` NULL), in its stream. NULL: no
 * memory. */
struct fy_held *fy_stream_in_hold(struct fy_channel *ch, uint32_t stream, unsigned colour,
                                  ferry_message *m);
/* Something in that stream is ready now: put the stream onto link->released. */
void fy_stream_in_release(struct fy_link *link, struct fy_channel *ch, uint32_t stream);
