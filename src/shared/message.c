/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: a body and attachments, reference counted. Any thread. message.h says where they come
 * from. */
#include "shared/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/cache.h"
#include "base/fail.h"
#include "base/inbox.h"
#include "base/order.h"
#include "base/program.h"
#include "shared/account.h"
#include "shared/block.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "shared/tally.h"
#include "shared/thread.h"

/* A body up to this size is in the same memory as the struct, behind it. */
#define TAIL_MAX 4096u

/* Give the message memory for its body. False: no memory. */
static bool get_body(ferry_message *m, size_t nbytes, size_t tail)
{
	m->body = nbytes == 0 ? NULL : nbytes <= tail ? m->tail : malloc(nbytes);
	m->nbytes = m->body_capacity = m->body ? nbytes : 0;
	return m->body || !nbytes;
}

static void free_body(ferry_message *m)
{
	if (m->body == m->tail)
		return;
	if (m->flags & FY_MESSAGE_BLOCK)
		fy_block_put(m->engine, m->body, m->nbytes);
	else
		free(m->body);
}

/* A reference of the engine, so far the caller's, becomes the message's. */
static ferry_message *new_message(ferry *engine, uint32_t op, size_t nbytes)
{
	size_t tail = nbytes <= TAIL_MAX ? nbytes : 0;
	ferry_message *m = malloc(sizeof *m + tail);
	if (!m)
		return NULL;
	*m = (ferry_message){ .refs = 1, .engine = engine, .op = op, .source = -1 };
	if (!get_body(m, nbytes, tail)) {
		free(m);
		return NULL;
	}
	return m;
}

ferry_message *fy_message_new(ferry *engine, uint32_t op, size_t nbytes)
{
	ferry_message *m = new_message(engine, op, nbytes);
	if (m)
		fy_engine_retain(engine);
	return m;
}

ferry_message *fy_message_empty(ferry *engine)
{
	ferry *its = fy_engine_retain_or_ended(engine);
	ferry_message *m = new_message(its, 0, 0);
	if (m)
		m->flags = FY_MESSAGE_RECEIVED;
	else
		fy_engine_release(its);
	return m;
}

_Static_assert(offsetof(ferry_message, attachments) == FY_CACHE_LINE,
               "what a reply needs is one line of the cache,");
_Static_assert(offsetof(ferry_message, tail) % FY_CACHE_LINE == 0, "and its body begins another");

#define BLANK_SIZE (sizeof(ferry_message) + FY_MESSAGE_SMALL)

/* Set anew what the last use of a blank may have changed, except what fy_message_fill sets and
 * fy_message_free clears. */
static void renew(ferry_message *m, ferry *engine)
{
	m->refs = 1;
	m->flags = FY_MESSAGE_BLANK | FY_MESSAGE_RECEIVED;
	m->engine = engine;
	m->body = NULL;
	m->nbytes = m->body_capacity = 0;
	m->retained = 0;
	m->extra = NULL;
}

ferry_message *fy_message_blank(struct fy_lane *lane)
{
	ferry_message *m = fy_cache_take(FY_CACHE_MESSAGES, BLANK_SIZE);
	if (fy_unlikely(!m)) {
		if (!(m = fy_cache_new(BLANK_SIZE)))
			return NULL;
		memset(m, 0, sizeof *m);
	}
	renew(m, lane->engine);
	fy_lane_retain_engine(lane);
	return m;
}

bool fy_message_fill(ferry_message *m, uint32_t op, int source, const void *body, size_t nbytes)
{
	if (!get_body(m, nbytes, FY_MESSAGE_SMALL))
		return false;
	if (nbytes)
		memcpy(m->body, body, nbytes);
	m->op = op;
	m->source = source;
	return true;
}

int fy_message_check_op(uint32_t op)
{
	if (op < FERRY_OP_RESERVED)
		return FERRY_OK;
	return fy_fail(FERRY_EINVAL, "op %#x is reserved: the program's ops are below %#x", op,
	               FERRY_OP_RESERVED);
}

int fy_message_create(ferry *engine, uint32_t op, ferry_message **message_p)
{
	if (fy_load_acquire_32(&engine->end.abandoned) || !fy_engine_try_retain(engine))
		return fy_fail(FERRY_ESTOPPED, "a message cannot be made: the engine was closed");
	ferry_message *m = new_message(engine, op, 0);
	if (!m) {
		fy_engine_release(engine);
		return fy_fail(FERRY_ENOMEM, "no memory for a message");
	}
	*message_p = m;
	return FERRY_OK;
}

int ferry_message_create(ferry *engine, uint32_t op, ferry_message **message_p)
{
	if (!engine || !message_p)
		return fy_fail(FERRY_EINVAL,
		               "ferry_message_create needs an engine and a place for the message");
	int bad = fy_message_check_op(op);
	return bad ? bad : fy_message_create(engine, op, message_p);
}

static int writable(const ferry_message *m, const char *what)
{
	if (!m)
		return fy_fail(FERRY_EINVAL, "%s needs a message", what);
	if (m->flags & (FY_MESSAGE_POSTED | FY_MESSAGE_RECEIVED | FY_MESSAGE_VIEW))
		return fy_fail(FERRY_EINVAL,
		               "%s: a message that was posted or received cannot be changed", what);
	return FERRY_OK;
}

int ferry_message_write(ferry_message *m, const void *data, size_t nbytes)
{
	int bad = writable(m, "ferry_message_write");
	if (bad)
		return bad;
	if (!data && nbytes)
		return fy_fail(FERRY_EINVAL, "ferry_message_write: data is NULL and nbytes is %zu",
		               nbytes);
	if (nbytes > SIZE_MAX / 4 || m->nbytes + nbytes > SIZE_MAX / 4)
		return fy_fail(FERRY_ETOOBIG,
		               "ferry_message_write: %zu bytes do not fit into memory", nbytes);
	if (m->nbytes + nbytes > m->body_capacity) {
		size_t room = m->body_capacity ? m->body_capacity : 64;
		while (room < m->nbytes + nbytes)
			room *= 2;
		char *body = realloc(m->body, room);
		if (!body)
			return fy_fail(FERRY_ENOMEM, "no memory for a body of %zu bytes",
			               m->nbytes + nbytes);
		m->body = body;
		m->body_capacity = room;
	}
	if (nbytes)
		memcpy(m->body + m->nbytes, data, nbytes);
	m->nbytes += nbytes;
	return FERRY_OK;
}

static int grow_attachments(ferry_message *m, size_t count)
{
	if (count <= m->attachments_capacity)
		return FERRY_OK;
	size_t room = m->attachments_capacity ? m->attachments_capacity * 2 : 4;
	if (room < count)
		room = count;
	struct fy_attachment *a = realloc(m->attachments, room * sizeof *a);
	if (!a)
		return fy_fail(FERRY_ENOMEM, "no memory for %zu attachments", room);
	m->attachments = a;
	m->attachments_capacity = room;
	return FERRY_OK;
}

int ferry_message_attach(ferry_message *m, const void *data, size_t nbytes,
                         ferry_release_fn *release, void *arg)
{
	int bad = writable(m, "ferry_message_attach");
	if (bad)
		return bad;
	if (!data && nbytes)
		return fy_fail(FERRY_EINVAL, "ferry_message_attach: data is NULL and nbytes is %zu",
		               nbytes);
	if (m->n_attachments >= UINT32_MAX - 1)
		return fy_fail(FERRY_ETOOBIG, "a message has at most %u attachments",
		               UINT32_MAX - 1);
	bad = grow_attachments(m, m->n_attachments + 1);
	if (bad)
		return bad;
	m->attachments[m->n_attachments++] = (struct fy_attachment){
		.data = (void *)(uintptr_t)data, .nbytes = nbytes, .release = release, .arg = arg
	};
	return FERRY_OK;
}

int fy_message_reserve_attachments(ferry_message *m, size_t count)
{
	if (grow_attachments(m, count))
		return FERRY_ENOMEM;
	if (count)
		memset(m->attachments, 0, count * sizeof *m->attachments);
	m->n_attachments = count;
	return FERRY_OK;
}

void fy_message_view(ferry_message *v, ferry *engine, uint32_t op, int source, void *body,
                     size_t nbytes, uint64_t call_id)
{
	v->flags = FY_MESSAGE_VIEW | FY_MESSAGE_RECEIVED | (call_id ? FY_MESSAGE_CALL : 0);
	v->refs = 1;
	v->engine = engine;
	v->op = op;
	v->source = source;
	v->body = body;
	v->nbytes = nbytes;
	v->answer.call_id = call_id;
	v->answered = 0;
	v->retained = 0;
}

void fy_message_keep(ferry_message *view)
{
	view->engine->helm_side.keep_view(view);
}

void fy_message_send_answer(ferry_message *request)
{
	request->engine->helm_side.send_answer(request);
}

void ferry_message_retain(ferry_message *m)
{
	if (!m)
		return;
	if (m->flags & FY_MESSAGE_VIEW)
		fy_message_keep(m);
	fy_store_relaxed_32(&m->retained, 1);
	fy_add_32(&m->refs, 1);
}

bool fy_message_runs_code(const ferry_message *m)
{
	for (size_t i = 0; i < m->n_attachments; i++)
		if (m->attachments[i].release)
			return true;
	return false;
}

static void free_attachments(ferry_message *m)
{
	for (size_t i = 0; i < m->n_attachments; i++) {
		struct fy_attachment *a = &m->attachments[i];
		if (a->owned)
			fy_block_put(m->engine, a->data, a->nbytes);
		else if (a->release && fy_program_may_run())
			FY_PROGRAM("a release function", &fy_program_no_op,
			           a->release(a->data, a->arg));
	}
	free(m->attachments);
}

/* A received message's memory goes back to its sender's credit and to the budget of large messages.
 * The helm is told, so that senders that wait can go on. */
static void return_memory(ferry_message *m)
{
	ferry *engine = m->engine;
	struct fy_holding *holds = &m->holds;
	if (holds->account && holds->charge) {
		fy_add_64(&holds->account->returned, holds->charge);
		if (!fy_swap_32(&holds->account->dirty, 1))
			fy_inbox_put(&engine->inboxes.accounts, &holds->account->entry);
	}
	if (holds->large)
		fy_add_64(&engine->told.large_returned, holds->large);
	if (holds->tally) {
		if (m->flags & FY_MESSAGE_ASKED)
			fy_add_64(&holds->tally->answered, 1);
		fy_add_64(&holds->tally->freed, 1);
		holds->tally = NULL;
	}
	if ((holds->charge || holds->large) && !fy_engine_has_stopped(engine))
		fy_engine_notify(engine);
	holds->charge = holds->large = 0;
}

/* A reply has a body and nothing else. */
static void free_reply(ferry_message *m)
{
	ferry *engine = m->engine;
	free_body(m);
	fy_cache_give(FY_CACHE_MESSAGES, m, BLANK_SIZE);
	fy_thread_release_engine(engine);
}

void fy_message_free(ferry_message *m)
{
	ferry *engine = m->engine;
	if (fy_likely(m->flags & FY_MESSAGE_BLANK && !m->extra)) {
		free_reply(m);
		return;
	}
	if (m->extra && m->extra_free)
		m->extra_free(m->extra);
	if (m->attachments)
		free_attachments(m);
	free_body(m);
	return_memory(m);
	if (m->answer.message)
		ferry_message_release(m->answer.message);
	if (m->flags & FY_MESSAGE_BLANK)
		fy_cache_give(FY_CACHE_MESSAGES, m, BLANK_SIZE);
	else
		free(m);
	fy_thread_release_engine(engine);
}

void ferry_message_release(ferry_message *m)
{
	/* a view is the engine's: a handler has no reference of it to release */
	if (!m || m->flags & FY_MESSAGE_VIEW)
		return;
	/* If we have the only reference, no atomic operation is needed. */
	if (fy_load_acquire_32(&m->refs) != 1 && fy_sub_32(&m->refs, 1) != 1)
		return;
	if (m->flags & FY_MESSAGE_CALL && fy_load_relaxed_32(&m->answered) != FY_ANSWERED) {
		m->refs = 1; /* the helm's, until the answer has left */
		fy_message_answer_for(m, FERRY_EREMOTE);
		return;
	}
	fy_message_free(m);
}

int ferry_message_source(const ferry_message *m)
{
	return m ? m->source : fy_fail(FERRY_EINVAL, "ferry_message_source needs a message");
}

uint32_t ferry_message_op(const ferry_message *m)
{
	return m ? m->op : FERRY_ANY_OP;
}

const void *ferry_message_body(const ferry_message *m, size_t *nbytes_p)
{
	if (nbytes_p)
		*nbytes_p = m ? m->nbytes : 0;
	return m ? m->body : NULL;
}

size_t ferry_message_attachments(const ferry_message *m)
{
	return m ? m->n_attachments : 0;
}

const void *ferry_message_attachment(const ferry_message *m, size_t index, size_t *nbytes_p)
{
	bool there = m && index < m->n_attachments;
	if (nbytes_p)
		*nbytes_p = there ? m->attachments[index].nbytes : 0;
	return there ? m->attachments[index].data : NULL;
}

/* Only the thread with the only reference may take, so no other thread looks at the attachment
 * meanwhile. What is taken no longer counts for receive_memory. */
void *ferry_message_take(ferry_message *m, size_t index, size_t *nbytes_p)
{
	if (!m || !(m->flags & FY_MESSAGE_RECEIVED) || m->flags & FY_MESSAGE_VIEW ||
	    index >= m->n_attachments || fy_load_acquire_32(&m->refs) != 1 ||
	    !m->attachments[index].data)
		return NULL;
	struct fy_attachment *a = &m->attachments[index];
	void *data = a->data;
	if (nbytes_p)
		*nbytes_p = a->nbytes;
	size_t room = fy_block_size(m->engine, a->nbytes);
	if (m->holds.large >= room && room) {
		m->holds.large -= room;
		fy_add_64(&m->engine->told.large_returned, room);
		if (!fy_engine_has_stopped(m->engine))
			fy_engine_notify(m->engine);
	}
	*a = (struct fy_attachment){ 0 };
	return data;
}

size_t fy_message_total(const ferry_message *m)
{
	size_t total = m->nbytes;
	for (size_t i = 0; i < m->n_attachments; i++)
		total += m->attachments[i].nbytes;
	return total;
}

size_t fy_message_long_bytes(const ferry_message *m)
{
	return m->flags & FY_MESSAGE_RECEIVED || fy_message_total(m) <= FY_LANE_INLINE ? 0
	                                                                               : m->nbytes;
}

bool fy_message_may_answer(ferry_message *request, uint32_t *before_p)
{
	*before_p = FY_UNANSWERED;
	if (fy_cas_32(&request->answered, FY_UNANSWERED, FY_ANSWERED))
		return true;
	*before_p = FY_ANSWER_FAILED;
	return fy_cas_32(&request->answered, FY_ANSWER_FAILED, FY_ANSWERED);
}

bool fy_message_answer_for(ferry_message *request, int status)
{
	uint32_t before;
	if (!fy_message_may_answer(request, &before))
		return false;
	request->answer.message = NULL;
	request->answer.status = before == FY_ANSWER_FAILED ? FERRY_ENOMEM : status;
	request->answer.ferrys = request->answer.status != 0;
	fy_message_send_answer(request);
	return true;
}

void **fy_message_extra(ferry_message *m, void (*free_fn)(void *extra))
{
	/* several threads may decode at once, and write the same value */
	fy_store_release_ptr(&m->extra_free, (void *)(uintptr_t)free_fn);
	return &m->extra;
}
