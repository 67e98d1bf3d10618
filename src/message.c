/* SPDX-License-Identifier: Apache-2.0 */
#include "message.h"

#include <stdlib.h>
#include <string.h>

#include "block.h"
#include "cache.h"
#include "engine.h"
#include "program.h"
#include "status.h"

/* ---- making ------------------------------------------------------------------ */

/* A body up to this size lies behind the struct. */
#define TAIL_MAX 4096u

/* One with a body of its own, or NULL. */
static bool get_body(ferry_message *m, size_t nbytes, size_t tail)
{
	m->body = nbytes == 0 ? NULL : nbytes <= tail ? m->tail : malloc(nbytes);
	m->nbytes = m->body_room = m->body ? nbytes : 0;
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

/* With a reference of the engine that is the caller's so far. */
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

/* What the life of a message as a reply may have changed, and what fy_message_fill and
 * fy_message_free leave. */
static void renew(ferry_message *m, ferry *engine)
{
	m->refs = 1;
	m->flags = FY_MESSAGE_BLANK | FY_MESSAGE_RECEIVED;
	m->engine = engine;
	m->body = NULL;
	m->nbytes = m->body_room = 0;
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
	fy_engine_retain_near(lane);
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

int fy_message_create(ferry *engine, uint32_t op, ferry_message **message_p)
{
	if (fy_load_acquire_32(&engine->abandoned) || !fy_engine_try_retain(engine))
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
	if (op >= FERRY_OP_RESERVED)
		return fy_fail(FERRY_EINVAL, "op %#x is reserved: the program's ops are below %#x",
		               op, FERRY_OP_RESERVED);
	return fy_message_create(engine, op, message_p);
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
	if (m->nbytes + nbytes > m->body_room) {
		size_t room = m->body_room ? m->body_room : 64;
		while (room < m->nbytes + nbytes)
			room *= 2;
		char *body = realloc(m->body, room);
		if (!body)
			return fy_fail(FERRY_ENOMEM, "no memory for a body of %zu bytes",
			               m->nbytes + nbytes);
		m->body = body;
		m->body_room = room;
	}
	if (nbytes)
		memcpy(m->body + m->nbytes, data, nbytes);
	m->nbytes += nbytes;
	return FERRY_OK;
}

static int grow_attachments(ferry_message *m, size_t count)
{
	if (count <= m->attachment_room)
		return FERRY_OK;
	size_t room = m->attachment_room ? m->attachment_room * 2 : 4;
	if (room < count)
		room = count;
	struct fy_attachment *a = realloc(m->attachments, room * sizeof *a);
	if (!a)
		return fy_fail(FERRY_ENOMEM, "no memory for %zu attachments", room);
	m->attachments = a;
	m->attachment_room = room;
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

int fy_message_room_for(ferry_message *m, size_t count)
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
	v->call_id = call_id;
	v->answered = 0;
	v->retained = 0;
}

/* ---- references ---------------------------------------------------------------- */

void ferry_message_retain(ferry_message *m)
{
	if (!m)
		return;
	if (m->flags & FY_MESSAGE_VIEW)
		fy_message_keep_view(m);
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
			FY_PROGRAM("a release function", &fy_no_op, a->release(a->data, a->arg));
	}
	free(m->attachments);
}

/* What a received message held goes back to its sender's credit and to the
 * budget of large data; the helm is told so that senders that wait can go on. */
static void return_memory(ferry_message *m)
{
	ferry *engine = m->engine;
	if (m->account && m->charge) {
		fy_add_64(&m->account->returned, m->charge);
		if (!fy_swap_32(&m->account->dirty, 1))
			ck_stack_push_upmc(&engine->accounts, &m->account->entry);
	}
	if (m->large)
		fy_add_64(&engine->large_returned, m->large);
	if (m->tally) {
		if (m->flags & FY_MESSAGE_ASKED)
			fy_add_64(&m->tally->answered, 1);
		fy_add_64(&m->tally->freed, 1);
		m->tally = NULL;
	}
	if ((m->charge || m->large) && fy_load_acquire_32(&engine->phase) != FY_STOPPED)
		fy_engine_notify(engine);
	m->charge = m->large = 0;
}

/* A reply has a body and nothing else. */
static void free_reply(ferry_message *m)
{
	ferry *engine = m->engine;
	free_body(m);
	fy_cache_give(FY_CACHE_MESSAGES, m, BLANK_SIZE);
	fy_engine_release_near(engine);
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
	if (m->answer)
		ferry_message_release(m->answer);
	if (m->flags & FY_MESSAGE_BLANK)
		fy_cache_give(FY_CACHE_MESSAGES, m, BLANK_SIZE);
	else
		free(m);
	fy_engine_release_near(engine);
}

void ferry_message_release(ferry_message *m)
{
	/* a view is the engine's: the handler had no reference to give back */
	if (!m || m->flags & FY_MESSAGE_VIEW)
		return;
	/* Who sees the only reference in the own hand needs no atomic step. */
	if (fy_load_acquire_32(&m->refs) != 1 && fy_add_32(&m->refs, (uint32_t)-1) != 1)
		return;
	if (m->flags & FY_MESSAGE_CALL && fy_load_relaxed_32(&m->answered) != FY_ANSWERED) {
		m->refs = 1; /* the helm's, until the answer has left */
		fy_message_answer_for(m, FERRY_EREMOTE);
		return;
	}
	fy_message_free(m);
}

/* ---- reading -------------------------------------------------------------------- */

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

/* Only the holder of the one reference may take, so nobody else looks at the
 * attachment meanwhile; what is taken leaves the receive budget. */
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
	size_t room = fy_block_room(m->engine, a->nbytes);
	if (m->large >= room && room) {
		m->large -= room;
		fy_add_64(&m->engine->large_returned, room);
		if (fy_load_acquire_32(&m->engine->phase) != FY_STOPPED)
			fy_engine_notify(m->engine);
	}
	*a = (struct fy_attachment){ 0 };
	return data;
}

/* ---- a message inside a batch ----------------------------------------------------- */

/* With attachments: their number (u64), their lengths (u64 each), the body's length
 * (u64), the body, each attachment, every part padded to 8 bytes. */
static size_t pad8(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

size_t fy_message_total(const ferry_message *m)
{
	size_t total = m->nbytes;
	for (size_t i = 0; i < m->n_attachments; i++)
		total += m->attachments[i].nbytes;
	return total;
}

size_t fy_message_held(const ferry_message *m)
{
	return m->flags & FY_MESSAGE_RECEIVED || fy_message_total(m) <= FY_LANE_INLINE ? 0
	                                                                               : m->nbytes;
}

size_t fy_message_folded_size(const ferry_message *m)
{
	if (!m->n_attachments)
		return m->nbytes;
	size_t size = 16 + 8 * m->n_attachments + pad8(m->nbytes);
	for (size_t i = 0; i < m->n_attachments; i++) {
		if (m->attachments[i].nbytes > SIZE_MAX / 2 - size)
			return SIZE_MAX;
		size += pad8(m->attachments[i].nbytes);
	}
	return size;
}

static char *put_u64(char *to, uint64_t value)
{
	memcpy(to, &value, sizeof value);
	return to + sizeof value;
}

static char *put_part(char *to, const void *data, size_t nbytes)
{
	if (nbytes)
		memcpy(to, data, nbytes);
	memset(to + nbytes, 0, pad8(nbytes) - nbytes);
	return to + pad8(nbytes);
}

void fy_message_fold(const ferry_message *m, char *to)
{
	if (!m->n_attachments) {
		if (m->nbytes)
			memcpy(to, m->body, m->nbytes);
		return;
	}
	to = put_u64(to, m->n_attachments);
	for (size_t i = 0; i < m->n_attachments; i++)
		to = put_u64(to, m->attachments[i].nbytes);
	to = put_u64(to, m->nbytes);
	to = put_part(to, m->body, m->nbytes);
	for (size_t i = 0; i < m->n_attachments; i++)
		to = put_part(to, m->attachments[i].data, m->attachments[i].nbytes);
}

static uint64_t get_u64(const char *from)
{
	uint64_t value;
	memcpy(&value, from, sizeof value);
	return value;
}

/* Do `count` + 1 lengths at `lengths` (the body's is the last) add up to the `room` bytes
 * behind them? */
static bool lengths_fit(const char *lengths, uint64_t count, size_t room)
{
	for (uint64_t i = 0; i <= count; i++) {
		uint64_t n = get_u64(lengths + 8 * i);
		if (n > room || pad8(n) > room)
			return false;
		room -= pad8(n);
	}
	return room == 0;
}

static bool own_copy(struct fy_attachment *a, const char *from, size_t nbytes)
{
	a->data = malloc(nbytes ? nbytes : 1);
	if (!a->data)
		return false;
	if (nbytes)
		memcpy(a->data, from, nbytes);
	a->nbytes = nbytes;
	a->owned = true;
	return true;
}

int fy_message_unfold(ferry *engine, uint32_t op, const char *bytes, size_t nbytes,
                      ferry_message **message_p)
{
	uint64_t count = nbytes >= 16 ? get_u64(bytes) : 0;
	if (!count || count > (nbytes - 16) / 8 ||
	    !lengths_fit(bytes + 8, count, nbytes - 16 - 8 * count))
		return FERRY_EDECODE;
	const char *lengths = bytes + 8;
	size_t body = get_u64(lengths + 8 * count);
	ferry_message *m = fy_message_new(engine, op, body);
	if (!m)
		return FERRY_ENOMEM;
	if (fy_message_room_for(m, count)) {
		fy_message_free(m);
		return FERRY_ENOMEM;
	}
	const char *at = lengths + 8 * (count + 1);
	if (body)
		memcpy(m->body, at, body);
	at += pad8(body);
	for (uint64_t i = 0; i < count; i++) {
		size_t n = get_u64(lengths + 8 * i);
		if (!own_copy(&m->attachments[i], at, n)) {
			fy_message_free(m);
			return FERRY_ENOMEM;
		}
		at += pad8(n);
	}
	m->flags = FY_MESSAGE_RECEIVED;
	*message_p = m;
	return FERRY_OK;
}

/* ---- replies ------------------------------------------------------------------------ */

static bool may_answer(ferry_message *request, uint32_t *before_p)
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
	if (!may_answer(request, &before))
		return false;
	request->answer = NULL;
	request->answer_status = before == FY_ANSWER_FAILED ? FERRY_ENOMEM : status;
	request->answer_ferrys = request->answer_status != 0;
	fy_message_send_answer(request);
	return true;
}

/* Who answers first wins; the others learn that they were late. */
static int claim_answer(ferry_message *request, const char *what)
{
	if (!request || !(request->flags & FY_MESSAGE_CALL))
		return fy_fail(FERRY_EINVAL, "%s: this is not a request that awaits a reply", what);
	if (fy_load_acquire_32(&request->engine->phase) == FY_STOPPED)
		return fy_fail(FERRY_ESTOPPED, "%s: the engine has stopped", what);
	bool won;
	uint32_t before;
	if (request->flags & FY_MESSAGE_VIEW) { /* its handler's alone */
		won = request->answered != FY_ANSWERED;
		request->answered = FY_ANSWERED;
	} else {
		won = may_answer(request, &before);
	}
	return won ? FERRY_OK
	           : fy_fail(FERRY_EALREADY, "%s: this request was answered already", what);
}

static int answer_with(ferry_message *request, ferry_message *answer, int status)
{
	if (request->flags & FY_MESSAGE_VIEW)
		fy_message_keep_view(request);
	fy_add_32(&request->refs, 1);
	request->answer = answer;
	request->answer_status = status;
	fy_message_send_answer(request);
	return FERRY_OK;
}

int ferry_reply(ferry_message *request, const void *body, size_t nbytes)
{
	if (!body && nbytes)
		return fy_fail(FERRY_EINVAL, "ferry_reply: body is NULL and nbytes is %zu", nbytes);
	int bad = claim_answer(request, "ferry_reply");
	if (bad)
		return bad;
	if (request->flags & FY_MESSAGE_VIEW && fy_message_reply_in_place(request, body, nbytes))
		return FERRY_OK;
	ferry_message *answer = fy_message_new(request->engine, 0, nbytes);
	if (!answer) {
		fy_store_release_32(&request->answered, FY_ANSWER_FAILED);
		return fy_fail(FERRY_ENOMEM, "no memory for a reply of %zu bytes", nbytes);
	}
	if (nbytes)
		memcpy(answer->body, body, nbytes);
	return answer_with(request, answer, 0);
}

int ferry_reply_message(ferry_message *request, ferry_message *reply)
{
	if (!reply)
		return fy_fail(FERRY_EINVAL,
		               "ferry_reply_message needs a reply; ferry_reply sends an empty one");
	int bad = claim_answer(request, "ferry_reply_message");
	if (bad)
		return bad;
	reply->flags |= reply->flags & FY_MESSAGE_VIEW ? 0 : FY_MESSAGE_POSTED;
	ferry_message_retain(reply);
	return answer_with(request, reply, 0);
}

int ferry_reply_error(ferry_message *request, int status, const char *detail)
{
	if (status == FERRY_OK)
		return fy_fail(FERRY_EINVAL,
		               "ferry_reply_error: 0 is not an error; ferry_reply sends an answer");
	int bad = claim_answer(request, "ferry_reply_error");
	if (bad)
		return bad;
	size_t n = detail ? strlen(detail) : 0;
	if (n > 1024)
		n = 1024;
	ferry_message *answer = n ? fy_message_new(request->engine, 0, n) : NULL;
	if (answer)
		memcpy(answer->body, detail, n);
	return answer_with(request, answer, status);
}

/* ---- for the msgpack layer ------------------------------------------------------------ */

void **fy_message_extra(ferry_message *m, void (*free_fn)(void *extra))
{
	/* threads that decode at once write the same */
	fy_store_release_ptr(&m->extra_free, (void *)(uintptr_t)free_fn);
	return &m->extra;
}

const ferry_options *fy_message_options(const ferry_message *m)
{
	return &m->engine->options;
}

ferry *fy_message_engine(const ferry_message *m)
{
	return m->engine;
}
