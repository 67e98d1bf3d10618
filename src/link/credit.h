/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fy_account;
struct fy_channel;
struct fy_link;

/* The credit of one pair of ranks, both ways, and what is to be told of it. All in bytes. */
struct fy_channel_credit {
	uint64_t spent, limit; /* of this rank */
	bool hungry;           /* credit ran out; to be told with the next batch */
	bool hungry_told;      /* that was told, and the limit has not grown since */
	uint64_t spent_in;     /* what the peer had spent at its last dispatched batch */
	uint64_t unreturned;   /* charges of the peer's messages that are not freed here */
	uint64_t window;       /* of the peer */
	uint64_t limit_sent;   /* the limit that the peer was told last */
	struct fy_account *account;
	bool limit_owed;
	bool peer_hungry; /* the peer said that it is hungry, and no larger limit was sent since */
	bool recall_owed;
	bool give_owed;
};

/* What can be lent to all peers together, in bytes. */
struct fy_credit {
	uint64_t first; /* the window that each pair begins with */
	uint64_t pool;  /* what is left to lend */
	uint64_t window_max;
};

void fy_credit_collect(struct fy_link *link);
/* May a request of `size` be put now? */
bool fy_credit_admits(struct fy_link *link, struct fy_channel *ch, uint32_t size);
void fy_credit_spend(struct fy_channel *ch, uint32_t size);
uint64_t fy_credit_limit(const struct fy_channel *ch);
bool fy_credit_lacks(const struct fy_link *link);
void fy_credit_returned(struct fy_link *link, struct fy_channel *ch, uint64_t bytes);
/* After a batch of that peer. `hungry`: the batch said so. `charged`: what the batch cost, if its
 * records are small, else 0. */
void fy_credit_grow_window(struct fy_link *link, struct fy_channel *ch, bool hungry,
                           uint64_t charged);
void fy_credit_recalled(struct fy_link *link, struct fy_channel *ch);
void fy_credit_given(struct fy_link *link, struct fy_channel *ch, uint64_t amount);
