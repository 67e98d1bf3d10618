/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program leaves behind when it closes an engine. Only the holder of the helm may call.
 */
#include "helm/left.h"

#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "helm/progress.h"
#include "helm/report.h"
#include "link/call.h"
#include "shared/engine.h"
#include "shared/tally.h"

void fy_left_add(struct fy_left *left, enum fy_left_what what, uint32_t op, int rank,
                 uint64_t count)
{
	uint32_t i = 0;
	while (i < left->n && (left->of[i].what != (uint32_t)what || left->of[i].op != op ||
	                       left->of[i].rank != rank))
		i++;
	if (i == FY_LEFT_NAMED) {
		left->more += count;
		return;
	}
	if (i == left->n)
		left->of[left->n++] = (struct fy_left_of){ .what = what, .op = op, .rank = rank };
	left->of[i].count += count;
}

void fy_left_calls(struct fy_progress *p)
{
	const struct fy_calls *calls = &p->link.calls;
	for (uint32_t i = 0; i < calls->n; i++)
		if (calls->slots[i].future)
			fy_left_add(&p->close.left, FY_LEFT_CALLS, FERRY_ANY_OP,
			            calls->slots[i].rank, 1);
}

static void add_untaken(struct fy_left *left, const struct fy_unread *unread)
{
	uint64_t rest = unread->count;
	for (unsigned i = 0; i < unread->n; i++) {
		const struct fy_unread_of *of = &unread->some[i];
		fy_left_add(left, FY_LEFT_UNTAKEN, of->op, of->source, of->count);
		rest -= of->count;
	}
	if (rest)
		fy_left_add(left, FY_LEFT_UNTAKEN, FERRY_ANY_OP, FERRY_ANY, rest);
}

static void add_retained(struct fy_left *left, const struct fy_tally *tally)
{
	uint64_t asked = tally->n_requests - fy_load_acquire_64(&tally->answered);
	uint64_t n = tally->n_received - fy_load_acquire_64(&tally->freed);
	if (n)
		fy_left_add(left, FY_LEFT_RETAINED, tally->op, FERRY_ANY, n);
	if (n && asked)
		fy_left_add(left, FY_LEFT_UNANSWERED, tally->op, FERRY_ANY, asked);
}

void fy_left_messages(struct fy_progress *p)
{
	struct fy_left *left = &p->close.left;
	add_untaken(left, &p->mail.unread);
	for (unsigned i = 0; i < FY_TALLIES; i++)
		for (const struct fy_tally *tally = p->link.engine->tallies.of[i]; tally;
		     tally = tally->next)
			add_retained(left, tally);
}
