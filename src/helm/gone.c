/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a peer, and of records that it or this rank refused. Everything that waits for the
 * peer ends with a status; memory that MPI still reads is left to MPI. Only the holder of the helm
 * may call.
 */
#include "helm/gone.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/log.h"
#include "base/order.h"
#include "bulk/bulk.h"
#include "bulk/outbound.h"
#include "future/future.h"
#include "helm/agree.h"
#include "helm/crew.h"
#include "helm/lookout.h"
#include "helm/words.h"
#include "helm/progress.h"
#include "helm/queued.h"
#include "link/batch.h"
#include "link/call.h"
#include "link/channel.h"
#include "link/errors.h"
#include "link/counted.h"
#include "link/failure.h"
#include "link/pending.h"
#include "link/stream_out.h"
#include "port/port.h"
#include "shared/engine.h"
#include "shared/room.h"
#include "shared/wake.h"
#include "wire/bodies.h"
#include "wire/header.h"
#include "helm/peer.h"

void fy_gone_unsent(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_batch *b = ch->out.unsent;
	ch->out.unsent = NULL;
	p->link.n_flying--;
	fy_gone_end(p, ch, FERRY_EMPI, b->bytes);
	fy_batch_put(&p->link, b);
}

/* The peer has refused the records of a batch from an index on. */
void fy_gone_refused(struct fy_progress *p, struct fy_channel *ch, const struct fy_refused *refused)
{
	struct fy_refused r = *refused;
	if (r.status >= 0)
		r.status = FERRY_EDECODE;
	p->link.stats.refused++;
	p->agree.tainted = true;
	p->link.n_pending -= fy_pending_refuse(&p->link, ch, &ch->pending.first, &ch->pending.last,
	                                       (uint64_t)r.seq << 32 | r.index,
	                                       UINT64_C(0x100000000) - r.index, r.status);
	fy_counted_refuse(&p->link, ch, &ch->counted, (uint64_t)r.seq << 32 | r.index, r.status,
	                  fy_pending_unread);
	bool whole = fy_outbound_refused(&p->bulk, ch, &r);
	for (struct fy_stream_out *s = ch->streams_out, *next; s; s = next) {
		next = s->next;
		fy_stream_out_refuse(&p->link, ch, s, &r);
		fy_stream_out_settle(&p->link, ch, s);
	}
	fy_call_fail(&p->link, ch->rank, r.status, fy_pending_unread);
	fy_failure_note(ch, UINT32_MAX, r.status, fy_pending_unread);
	if (!whole)
		fy_gone_end(p, ch, r.status,
		            "the receiver could not read what it was to know of a large message");
}

/* Tell the peer that it is given up, so that it does not wait for ever. */
static void tell_gone(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_words *words = &fy_peer_of(ch)->words;
	if (words->given_up || ch->bye.sent)
		return;
	words->given_up = true;
	fy_words_owe(p, ch, FY_WORD_GAVE_UP);
}

void fy_gone_given_up(struct fy_progress *p, struct fy_channel *ch)
{
	fy_peer_of(ch)->words.given_up = true;
	fy_gone_end(p, ch, FERRY_EPEER,
	            "that rank has given us up, or closes because a rank is gone");
}

/* End everything that waits for this peer with ch->gone. Memory that MPI still reads is left to it.
 * Later posts are refused (engine->full is 2). */
static void end_all(struct fy_progress *p, struct fy_channel *ch, const char *detail)
{
	int status = ch->gone;
	if (!p->losses.since)
		p->losses.since = p->link.now;
	fy_store_release_8(&p->link.engine->full[ch->rank], 2);
	if (ch->open)
		fy_channel_close_batch(ch);
	fy_batch_drop_all(&p->link, &ch->out.ready);
	ch->out.ready_last = NULL;
	ch->out.n_ready = 0;
	for (ferry_future *f = ch->pending.first; f; f = f->next)
		p->link.n_pending--;
	fy_pending_fail(&p->link, ch, &ch->pending.first, &ch->pending.last, status, detail);
	fy_counted_fail_all(&p->link, ch, &ch->counted, status, detail);
	fy_stream_out_fail_all(&p->link, ch, status, detail);
	fy_queued_fail(p, ch, status, detail);
	fy_bulk_gone(&p->bulk, ch);
	fy_agree_give_up(p);
	fy_call_fail(&p->link, ch->rank, status, detail);
	tell_gone(p, ch);
	if (p->lookout.on && status != FERRY_ESTOPPED)
		fy_crew_set_broken(&p->lookout.crew, ch->rank); /* an answer says so from now on */
	fy_lookout_soon(p);
	fy_room_tell(&p->link.engine->room);
}

void fy_gone_end(struct fy_progress *p, struct fy_channel *ch, int status, const char *detail)
{
	if (ch->gone)
		return;
	ch->gone = status;
	ch->gone_why = strdup(detail);
	end_all(p, ch, detail);
}

void fy_gone_sweep(struct fy_progress *p)
{
	struct fy_channel *ch;
	while ((ch = p->link.broken)) {
		p->link.broken = ch->broken_next;
		end_all(p, ch, ch->gone_why ? ch->gone_why : "that rank is gone");
		p->link.worked = true; /* so that there is a next step, in which a close sees it */
	}
}

void fy_gone_refuse_batch(struct fy_progress *p, struct fy_channel *ch, uint32_t seq,
                          uint32_t index)
{
	p->link.stats.malformed++;
	p->agree.tainted = true;
	fy_errors_note(&p->link, FERRY_EDECODE, ch->rank, "a malformed batch");
	fy_log_often(p->link.engine->log, FERRY_LOG_ERROR, FY_OFTEN_MALFORMED,
	             "a malformed batch from rank %d (number %u, record %u): use the same build on "
	             "all ranks; if it is the same, the option checksum tells whether the network "
	             "is at fault",
	             ch->rank, seq, index);
	if (ch->in.n_refused == FY_REFUSED_MAX) {
		fy_gone_end(p, ch, FERRY_EPEER, "too many batches of that rank were malformed");
		return;
	}
	ch->in.refused[ch->in.n_refused++] = (struct fy_refused){ seq, index, FERRY_EDECODE, 0 };
	fy_channel_owe(&p->link, ch);
	fy_call_fail(&p->link, ch->rank, FERRY_EDECODE,
	             "a batch of that rank could not be read: the reply may have been in it");
}
