/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies that this rank gives (link/call.c has those that come). Each call has reserved room for
 * its reply at its caller. Those of other threads are put in
 * the order in which they came. Only the holder of the helm may call, except for fy_replies_send.
 */
#include "helm/replies.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ferry.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/order.h"
#include "bulk/announce.h"
#include "helm/peer.h"
#include "helm/progress.h"
#include "helm/put.h"
#include "link/channel.h"
#include "link/fold.h"
#include "shared/engine.h"
#include "shared/handler.h"
#include "shared/message.h"
#include "shared/thread.h"
#include "wire/bodies.h"
#include "wire/header.h"
#include "wire/record.h"

void fy_replies_send(ferry_message *request)
{
	ferry *e = request->engine;
	request->answer.tag = fy_handler_tag_here(e);
	if (fy_thread_on_progress(e) && fy_replies_put(fy_progress_of(e), request))
		return;
	if (!fy_engine_enter(e)) { /* the engine has stopped, and sends no replies */
		request->flags &= ~FY_MESSAGE_CALL;
		ferry_message_release(request);
		return;
	}
	fy_inbox_put(&e->inboxes.replies, &request->entry);
	fy_engine_notify(e);
	fy_engine_leave(e);
}

bool fy_replies_put_bytes(struct fy_progress *p, int rank, uint64_t call_id,
                          const struct fy_reply_error *error, const void *body, uint32_t nbytes,
                          uint32_t tag)
{
	struct fy_channel *ch = fy_peer_get(p, rank);
	if (ch && (ch->gone || p->close.byes))
		return true; /* the peer takes no reply any more */
	uint32_t head = error ? (uint32_t)sizeof *error : 0;
	uint32_t word = FY_KIND_REPLY | FY_EXT | (error ? FY_ERROR : 0) | (head + nbytes),
		 size = fy_record_size(word);
	struct fy_record *r = ch ? fy_channel_reserve(&p->link, ch, size) : NULL;
	if (!r)
		return false;
	fy_record_clear_end(r, size);
	*r = (struct fy_record){ word, 0, (uint32_t)rank, tag };
	fy_record_set_ext(r, call_id);
	if (head)
		memcpy(fy_record_data(r), error, head);
	if (nbytes)
		memcpy(fy_record_data(r) + head, body, nbytes);
	fy_channel_commit(ch, size);
	fy_channel_issued_as(&p->link, ch, tag);
	return true;
}

static bool put_reply_folded(struct fy_progress *p, struct fy_channel *ch,
                             const ferry_message *request, size_t folded)
{
	const ferry_message *m = request->answer.message;
	uint32_t word =
		FY_KIND_REPLY | FY_EXT | (m->n_attachments ? FY_ATTACHED : 0) | (uint32_t)folded;
	uint32_t size = fy_record_size(word);
	struct fy_record *r = fy_channel_reserve(&p->link, ch, size);
	if (!r)
		return false;
	fy_record_clear_end(r, size);
	*r = (struct fy_record){ word, m->op, (uint32_t)ch->rank, request->answer.tag };
	fy_record_set_ext(r, request->answer.call_id);
	fy_fold_write(m, fy_record_data(r));
	fy_channel_commit(ch, size);
	fy_channel_issued_as(&p->link, ch, request->answer.tag);
	return true;
}

static bool put_answer(struct fy_progress *p, struct fy_channel *ch, ferry_message *request)
{
	ferry_message *m = request->answer.message;
	struct fy_reply_error error = { request->answer.status, request->answer.ferrys };
	if (ch->gone || p->close.byes)
		return true;
	if (error.status || !m)
		return fy_replies_put_bytes(p, ch->rank, request->answer.call_id,
		                            error.status ? &error : NULL, m ? m->body : NULL,
		                            m ? (uint32_t)m->nbytes : 0, request->answer.tag);
	size_t folded = fy_fold_size(m);
	if (folded <= FY_REPLY_ROOM)
		return put_reply_folded(p, ch, request, folded);
	if (!fy_announce_put(&p->bulk, ch, m, FY_KIND_REPLY, request->answer.tag,
	                     request->answer.call_id, NULL, NULL))
		return false;
	request->answer.message = NULL; /* its reference is the transfer's now */
	fy_channel_issued_as(&p->link, ch, request->answer.tag);
	return true;
}

/* Put a reply: a small one into the batch, in the room that its call reserved. True: takes the
 * request's reference over. False: no memory now. */
bool fy_replies_put(struct fy_progress *p, ferry_message *request)
{
	struct fy_channel *ch = fy_peer_get(p, request->source);
	if (!ch || !put_answer(p, ch, request))
		return false;
	if (request->answer.message)
		ferry_message_release(request->answer.message);
	request->answer.message = NULL;
	ferry_message_release(request);
	return true;
}

/* Take replies of other threads out of the inbox, in order. */
void fy_replies_collect(struct fy_progress *p)
{
	fy_inbox_each (entry, fy_inbox_take_in_order(&p->link.engine->inboxes.replies)) {
		ferry_message *m = fy_container_of(entry, ferry_message, entry);
		m->answer.tag = fy_put_tagged(p, m->answer.tag);
		p->replies.of[fy_record_tag_colour(m->answer.tag, 0)]++;
		m->next = NULL;
		fy_list_append(p->replies.first, p->replies.last, m);
	}
}

bool fy_replies_step(struct fy_progress *p)
{
	if (fy_inbox_any(&p->link.engine->inboxes.replies))
		fy_replies_collect(p);
	while (p->replies.first) {
		ferry_message *m = p->replies.first, *next = m->next;
		unsigned colour = fy_record_tag_colour(m->answer.tag, 0);
		if (!fy_replies_put(p, m))
			return false;
		p->replies.of[colour]--;
		p->link.worked = true;
		p->replies.first = next;
		if (!next)
			p->replies.last = NULL;
	}
	return true;
}
