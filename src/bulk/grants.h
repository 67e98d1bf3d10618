/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fy_channel;
struct fy_inbound;
struct fy_bulk;

/* Bytes that large messages may take, and take: [0] requests, [1] replies. */
struct fy_budget {
	uint64_t cap[2], used[2];
	uint64_t stalled[2]; /* how much of `used` is of stalled transfers */
	uint64_t seen;       /* how much of the engine's told.large_returned is subtracted */
};

/* Queues of large messages: [0] requests and [1] replies that wait for a grant, [2] messages that
 * need none. */
struct fy_grant_queues {
	struct fy_inbound *first[3], *last[3];
};

/* Take off the first grant that is owed to that peer: it is told, or will never be. */
void fy_grants_told(struct fy_bulk *bulk, struct fy_inbound *first);
bool fy_grants_put(struct fy_bulk *bulk, struct fy_channel *ch);
void fy_grants_step(struct fy_bulk *bulk);
/* Owe the sender a grant, with in->status; 0: it may send. */
void fy_grants_owe(struct fy_bulk *bulk, struct fy_inbound *in);
void fy_grants_wait(struct fy_bulk *bulk, struct fy_inbound *in);
