/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts of received messages by op, for reports to people. The helm counts the messages that it
 * keeps; the thread that frees one, any thread, counts it off.
 */
#include "shared/tally.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "shared/engine.h"
#include "shared/message.h"

#define TALLIES_MAX 1024u /* from so many ops on all others share one tally */

static struct fy_tally **tally_place(ferry *e, uint32_t op)
{
	struct fy_tally **at = &e->tallies.of[(op * 2654435761u) >> 26];
	while (*at && (*at)->op != op)
		at = &(*at)->next;
	return at;
}

static struct fy_tally *tally_of(ferry *e, uint32_t op)
{
	struct fy_tally **at = tally_place(e, op);
	if (!*at && e->tallies.n >= TALLIES_MAX)
		at = tally_place(e, FERRY_ANY_OP);
	if (*at || !(*at = calloc(1, sizeof **at)))
		return *at;
	(*at)->op = e->tallies.n++ < TALLIES_MAX ? op : FERRY_ANY_OP;
	return *at;
}

void fy_tally_keep(ferry *e, ferry_message *m)
{
	m->holds.tally = tally_of(e, m->op); /* NULL: no memory, the message is not counted */
	if (!m->holds.tally)
		return;
	bool call = m->flags & FY_MESSAGE_CALL;
	m->flags |= call ? FY_MESSAGE_ASKED : 0;
	m->holds.tally->n_received++;
	m->holds.tally->n_requests += call;
}

void fy_tally_free_all(ferry *e)
{
	for (unsigned i = 0; i < FY_TALLIES; i++)
		while (e->tallies.of[i]) {
			struct fy_tally *t = e->tallies.of[i];
			e->tallies.of[i] = t->next;
			free(t);
		}
}
