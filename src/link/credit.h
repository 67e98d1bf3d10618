/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_LINK_CREDIT_H
#define FY_LINK_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

struct fy_channel;
struct fy_link;

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
bool fy_credit_starved(const struct fy_link *link);
void fy_credit_returned(struct fy_link *link, struct fy_channel *ch, uint64_t bytes);
/* After a batch of it, which said that its sender is out of credit; `charged`: what it cost, if its
 * records are small. */
void fy_credit_grow_window(struct fy_link *link, struct fy_channel *ch, bool hungry,
                           uint64_t charged);
void fy_credit_recalled(struct fy_link *link, struct fy_channel *ch);
void fy_credit_given(struct fy_link *link, struct fy_channel *ch, uint64_t amount);

#endif
