/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_LINK_CREDIT_H
#define FY_LINK_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

struct fy_account;
struct fy_channel;
struct fy_link;

/* What we may send and have sent, what the peer may send and has, what is to be said of it. */
struct fy_channel_credit {
	uint64_t spent, limit;
	bool hungry;         /* credit ran out: to be told with the next batch */
	bool hungry_told;    /* it was told and the limit has not grown since */
	uint64_t spent_in;   /* what the peer had spent at the last batch that was dispatched */
	uint64_t unreturned; /* charges of messages of it that are still held */
	uint64_t window;
	uint64_t limit_sent;
	struct fy_account *account;
	bool limit_owed;
	bool peer_hungry; /* the peer told that it ran out, and no limit was sent since */
	bool recall_owed;
	bool give_owed;
};

/* What can be lent to peers in all. */
struct fy_credit {
	uint64_t first; /* the window that each pair starts with */
	uint64_t pool;  /* what can still be lent */
	uint64_t window_max;
};

void fy_credit_collect(struct fy_link *link);
/* May a request of `size` be put now? */
bool fy_credit_admits(struct fy_link *link, struct fy_channel *ch, uint32_t size);
void fy_credit_spend(struct fy_channel *ch, uint32_t size);
uint64_t fy_credit_limit(const struct fy_channel *ch);
bool fy_credit_lacks(const struct fy_link *link);
void fy_credit_returned(struct fy_link *link, struct fy_channel *ch, uint64_t bytes);
/* After a batch of it, which said that its sender is out of credit; `charged`: what it cost, if its
 * records are small. */
void fy_credit_grow_window(struct fy_link *link, struct fy_channel *ch, bool hungry,
                           uint64_t charged);
void fy_credit_recalled(struct fy_link *link, struct fy_channel *ch);
void fy_credit_given(struct fy_link *link, struct fy_channel *ch, uint64_t amount);

#endif
