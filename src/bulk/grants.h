/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_BULK_GRANTS_H
#define FY_BULK_GRANTS_H

#include <stdbool.h>
#include <stdint.h>

struct fy_channel;
struct fy_inbound;
struct fy_bulk;

/* Bytes that large messages may take, and take: of requests, of replies. */
struct fy_budget {
	uint64_t cap[2], used[2]; /* requests, replies */
	uint64_t stalled[2];      /* of what is used, by messages of which nothing came for long */
	uint64_t seen;            /* engine->told.large_returned, as far as subtracted */
};

/* Large messages that wait for a grant, by queue. */
struct fy_grant_queues {
	/* for a grant, first come first served; [2]: need none */
	struct fy_inbound *first[3], *last[3];
};

/* The first grant that is owed to that peer is told, or will never be. */
void fy_grants_told(struct fy_bulk *bulk, struct fy_inbound *first);
bool fy_grants_put(struct fy_bulk *bulk, struct fy_channel *ch);
void fy_grants_step(struct fy_bulk *bulk);
/* The sender is to be told in->status; 0: it may send. */
void fy_grants_owe(struct fy_bulk *bulk, struct fy_inbound *in);
void fy_grants_wait(struct fy_bulk *bulk, struct fy_inbound *in);

#endif
