/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes: the program is told who is gone. A note is a message of this rank to itself, with an op of
 * its own and a handler. So it takes the ways that handlers have, on any executor. Only the holder
 * of the helm may call.
 */
#include "helm/notes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ferry.h"
#include "helm/deliver.h"
#include "helm/handlers.h"
#include "helm/lookout.h"
#include "helm/peer.h"
#include "helm/progress.h"
#include "link/channel.h"
#include "link/link.h"
#include "shared/message.h"
#include "wire/bodies.h"

void fy_notes_begin(struct fy_progress *p)
{
	p->lookout.notes = true;
	fy_link_each (ch, &p->link)
		fy_peer_of(ch)->heard.noted = false;
	fy_lookout_soon(p);
}

/* False: no memory now. */
static bool give_note(struct fy_progress *p, struct fy_channel *ch)
{
	const char *why = ch->gone_why ? ch->gone_why : "that rank is gone";
	uint32_t nbytes = (uint32_t)(sizeof(struct fy_note) + strlen(why) + 1);
	ferry_message *m = fy_message_new(p->link.engine, FY_OP_GONE, nbytes);
	if (!m)
		return false;
	struct fy_note *note = (struct fy_note *)(void *)m->body;
	note->status = FERRY_EPEER;
	memcpy(note->why, why, strlen(why) + 1);
	m->flags = FY_MESSAGE_RECEIVED | fy_message_coloured(p->link.counts.colour);
	m->source = ch->rank;
	m->holds.account = ch->credit.account; /* for the count of those that executors handled */
	fy_channel_issued_as(&p->link, ch, 0);
	fy_deliver_message(p, m);
	p->link.worked = true;
	return true;
}

void fy_notes_step(struct fy_progress *p)
{
	if (!fy_handlers_find(p, FY_OP_GONE)) {
		p->lookout.notes = false;
		return;
	}
	fy_link_each (ch, &p->link)
		if (ch->gone && ch->gone != FERRY_ESTOPPED && !fy_peer_of(ch)->heard.noted)
			fy_peer_of(ch)->heard.noted = give_note(p, ch);
}
