/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Post and call: they write a record into this thread's lane. Any thread.
 *
 * ferry_post has a short way for the frequent case: a small body, no future, room in the lane. All
 * else takes the long way, which also has the sentences for wrong arguments.
 */
#include "app/post.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ferry.h"
#include "app/own_lane.h"
#include "app/reserve.h"
#include "app/rouse.h"
#include "base/fail.h"
#include "base/order.h"
#include "base/timeout.h"
#include "future/future.h"
#include "shared/counter.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "shared/message.h"
#include "shared/thread.h"
#include "shared/wake.h"
#include "wire/bodies.h"
#include "wire/record.h"

static int check(const struct fy_post *o)
{
	if (!o->engine)
		return fy_fail(FERRY_EINVAL, "the engine is NULL: ferry_open makes one");
	int bad = fy_engine_check_rank(o->engine, "rank", o->rank, "");
	if (bad)
		return bad;
	if (!o->message && !o->body && o->nbytes)
		return fy_fail(FERRY_EINVAL, "the body is NULL and nbytes is %zu", o->nbytes);
	if (!fy_timeout_ok(o->timeout))
		return fy_fail(FERRY_EINVAL, "timeout %lld: times are >= 0 ns, or FERRY_FOREVER",
		               (long long)o->timeout);
	size_t total = o->message ? fy_message_total(o->message) : o->nbytes;
	if (total > o->engine->options.message_max)
		return fy_fail(FERRY_ETOOBIG, "a message of %zu bytes: options.message_max is %zu",
		               total, o->engine->options.message_max);
	return FERRY_OK;
}

/* This engine is the one that the thread posted to last, and it is open. */
static inline bool is_mine_and_open(const ferry *engine)
{
	return fy_thread_recent.serial == engine->serial &&
	       fy_load_relaxed_32(&engine->phase) == FY_OPEN;
}

/* The engine stopped while this thread posted. Wait until it has looked at the lanes for the last
 * time. FERRY_OK: the record was taken out, and its future is complete. FERRY_ESTOPPED: the record
 * is void, and its future and message are still the caller's. */
static int posted_too_late(ferry *e, struct fy_lane *lane)
{
	uint64_t end = lane->tail;
	fy_own_lane_orphaned(e, lane);
	if ((int64_t)(fy_load_acquire_64(&lane->head) - end) >= 0)
		return FERRY_OK;
	lane->tail = fy_load_acquire_64(&lane->head);
	return fy_fail(FERRY_ESTOPPED, "the engine was closed meanwhile");
}

static inline int publish(ferry *e, struct fy_lane *lane, uint32_t size, const ferry_future *future)
{
	fy_lane_publish(lane, size);
	if (fy_unlikely(!fy_load_relaxed_32(&lane->listed)))
		fy_own_lane_list(e, lane);
	uint32_t sleeper = fy_wake_look(&e->wake); /* last, because listing the lane is work, too */
	if (fy_likely(!sleeper))
		return FERRY_OK;
	if (sleeper == FY_WAKE_STOPPED)
		return posted_too_late(e, lane);
	fy_rouse(e, lane, future);
	return FERRY_OK;
}

/* A body that is too long for a lane travels as a message of its own. */
static int wrap(const struct fy_post *o, ferry_message **message_p)
{
	ferry_message *m = fy_message_new(o->engine, o->op, o->nbytes);
	if (!m)
		return fy_fail(FERRY_ENOMEM, "no memory for a copy of %zu bytes", o->nbytes);
	memcpy(m->body, o->body, o->nbytes);
	m->flags |= FY_MESSAGE_POSTED;
	*message_p = m;
	return FERRY_OK;
}

/* Counted as posted before the helm can see it, so that nobody finds more done than posted. */
static inline int publish_counted(ferry *e, struct fy_lane *lane, uint32_t size,
                                  ferry_counter *counter)
{
	fy_counter_count(counter, &lane->seat, 1);
	int status = publish(e, lane, size, NULL);
	if (fy_unlikely(status))
		fy_counter_count(counter, &lane->seat, -1);
	return status;
}

static int write_record(const struct fy_post *o, ferry_message *m, ferry_future *future)
{
	uint32_t ext = o->counter ? FY_EXT | FY_COUNTED : future ? FY_EXT : 0;
	uint32_t word = o->kind | ext | (m ? FY_LARGE | (uint32_t)sizeof m : (uint32_t)o->nbytes);
	uint32_t size = fy_record_size(word);
	struct fy_record *r = NULL;
	int status = fy_reserve(o, size, 0, &r);
	if (status)
		return status;
	fy_record_clear_end(r, size);
	*r = (struct fy_record){ word, o->op, (uint32_t)o->rank, o->lane->stream };
	if (o->counter)
		fy_record_set_ext(r, (uint64_t)(uintptr_t)o->counter);
	else if (future)
		fy_record_set_ext(r, (uint64_t)(uintptr_t)future);
	if (m)
		memcpy(fy_record_data(r), &m, sizeof m);
	else
		fy_record_copy_body(fy_record_data(r), o->body, o->nbytes);
	if (o->counter)
		return publish_counted(o->engine, o->lane, size, o->counter);
	return publish(o->engine, o->lane, size, future);
}

static uint32_t future_flags(const struct fy_post *o)
{
	uint32_t flags =
		o->flags | (o->op == FY_OP_START ? FY_FUTURE_IS_STARTED : FY_FUTURE_IS_POSTED);
	if (o->kind == FY_KIND_CALL)
		flags |= FY_FUTURE_IS_CALL;
	if (o->op == FY_OP_FLUSH || o->op == FY_OP_FLUSH_ALL)
		flags |= FY_FUTURE_IS_FLUSH;
	return flags;
}

static int post_checked(struct fy_post *o, ferry_future **future_p)
{
	ferry_message *m = o->message;
	bool wrapped = !m && o->nbytes > FY_LANE_INLINE;
	bool wanted = future_p || o->kind == FY_KIND_CALL;
	ferry_future *future = wanted ? fy_future_create(o->engine, future_flags(o)) : NULL;
	int status = wanted && !future ? fy_fail(FERRY_ENOMEM, "no memory for a future") : FERRY_OK;
	if (future && o->kind == FY_KIND_CALL)
		/* if this is NULL the reply gets memory of its own */
		future->reply = fy_message_blank(o->lane);
	if (status == FERRY_OK && wrapped)
		status = wrap(o, &m);
	else if (m)
		ferry_message_retain(m);
	if (status == FERRY_OK)
		status = write_record(o, m, future);
	if (status == FERRY_OK) {
		if (future_p)
			*future_p = future;
		else if (future)
			ferry_future_release(future);
		return FERRY_OK;
	}
	if (m)
		ferry_message_release(m);
	fy_future_discard(future);
	return status;
}

/* For a long body, which is copied only once there is room for it. */
static int post_long(struct fy_post *o, size_t long_bytes, ferry_future **future_p)
{
	struct fy_record *room;
	int status = fy_reserve(o, fy_record_size(FY_EXT | (uint32_t)sizeof o->message), long_bytes,
	                        &room);
	if (status)
		return status;
	status = post_checked(o, future_p);
	/* an engine that has stopped may have ended by now */
	if (status && status != FERRY_ESTOPPED)
		fy_reserve_give_back(o->engine, o->rank, long_bytes);
	return status;
}

static int post_open(struct fy_post *o, ferry_future **future_p)
{
	int bad = fy_reserve_check_open(o->engine);
	if (bad)
		return bad;
	if (!o->lane)
		o->lane = fy_own_lane(o->engine);
	if (!o->lane && (bad = fy_reserve_check_open(o->engine)) != 0)
		return bad;
	if (!o->lane)
		return fy_fail(FERRY_ENOMEM, "no memory for this thread's lane");
	size_t long_bytes = o->message                   ? fy_message_long_bytes(o->message)
	                    : o->nbytes > FY_LANE_INLINE ? o->nbytes
	                                                 : 0;
	return long_bytes ? post_long(o, long_bytes, future_p) : post_checked(o, future_p);
}

int fy_post(const struct fy_post *post, ferry_future **future_p)
{
	struct fy_post o = *post;
	int bad = check(&o);
	return bad ? bad : post_open(&o, future_p);
}

/* Begin a record with a future, where it was reserved in this thread's lane. Returns the place of
 * its body. */
static inline void *begin_awaited(struct fy_record *r, uint32_t word, uint32_t op, uint32_t rank,
                                  ferry_future *future)
{
	fy_record_clear_end(r, fy_record_size(word));
	*r = (struct fy_record){ word, op, rank, fy_thread_recent.lane->stream };
	fy_record_set_ext(r, (uint64_t)(uintptr_t)future);
	return (char *)(r + 1) + 8;
}

static inline int publish_awaited(ferry *engine, uint32_t word, ferry_future *future,
                                  ferry_future **future_p)
{
	int status = publish(engine, fy_thread_recent.lane, fy_record_size(word), future);
	if (fy_likely(status == FERRY_OK))
		*future_p = future;
	else
		fy_future_discard(future);
	return status;
}

#define START_WORD(nbytes) (FY_KIND_CONTROL | FY_EXT | (uint32_t)(nbytes))

void *fy_post_start_begin(ferry *engine, size_t nbytes, ferry_future **future_p)
{
	if (fy_unlikely(!is_mine_and_open(engine)))
		return NULL;
	struct fy_record *r =
		fy_lane_reserve(fy_thread_recent.lane, fy_record_size(START_WORD(nbytes)));
	ferry_future *future = r ? fy_future_create(engine, FY_FUTURE_IS_STARTED) : NULL;
	if (fy_unlikely(!future))
		return NULL;
	*future_p = future;
	return begin_awaited(r, START_WORD(nbytes), FY_OP_START, (uint32_t)FERRY_NONE, future);
}

int fy_post_start_end(ferry *engine, size_t nbytes, ferry_future *future, ferry_future **future_p)
{
	return publish_awaited(engine, START_WORD(nbytes), future, future_p);
}

int fy_post_start(ferry *engine, const void *body, size_t nbytes, uint32_t flags,
                  ferry_future **future_p)
{
	struct fy_post o = { .engine = engine,
		             .kind = FY_KIND_CONTROL,
		             .rank = FERRY_NONE,
		             .op = FY_OP_START,
		             .body = body,
		             .nbytes = nbytes,
		             .timeout = FERRY_FOREVER,
		             .flags = flags };
	return post_open(&o, future_p);
}

int fy_post_flush(ferry *engine, struct fy_lane *lane, int rank, int64_t timeout,
                  ferry_future **future_p)
{
	bool all = rank == FERRY_ALL;
	struct fy_post o = { .engine = engine,
		             .lane = lane,
		             .kind = FY_KIND_POST,
		             .rank = all ? engine->rank : rank,
		             .op = all ? FY_OP_FLUSH_ALL : FY_OP_FLUSH,
		             .timeout = timeout };
	return fy_post(&o, future_p);
}

/* May this post take the short way? Its body is small, its arguments are right, and it need not
 * wait for room at the rank. */
static inline bool is_frequent(const ferry *engine, int rank, uint32_t op, const void *body,
                               size_t nbytes)
{
	return engine && (unsigned)rank < (unsigned)engine->size && op < FERRY_OP_RESERVED &&
	       nbytes <= FY_LANE_INLINE && (body || !nbytes) && is_mine_and_open(engine) &&
	       !fy_load_relaxed_8(&engine->full[rank]) && nbytes <= engine->options.message_max;
}

/* The short way with a future. False: take the long way. */
static bool post_awaited(ferry *engine, uint32_t kind, int rank, uint32_t op, const void *body,
                         size_t nbytes, ferry_future **future_p, int *status_p)
{
	if (!future_p || !is_frequent(engine, rank, op, body, nbytes))
		return false;
	struct fy_lane *lane = fy_thread_recent.lane;
	uint32_t word = kind | FY_EXT | (uint32_t)nbytes, size = fy_record_size(word);
	struct fy_record *r = fy_lane_reserve(lane, size);
	bool call = kind == FY_KIND_CALL;
	ferry_future *future =
		r ? fy_future_create(engine, FY_FUTURE_IS_POSTED | (call ? FY_FUTURE_IS_CALL : 0))
		  : NULL;
	if (!future)
		return false;
	if (call)
		future->reply = fy_message_blank(lane);
	fy_record_copy_body(begin_awaited(r, word, op, (uint32_t)rank, future), body, nbytes);
	*status_p = publish_awaited(engine, word, future, future_p);
	return true;
}

int ferry_post(ferry *engine, int rank, uint32_t op, const void *body, size_t nbytes,
               ferry_future **future_p)
{
	int status;
	if (fy_likely(!future_p && is_frequent(engine, rank, op, body, nbytes))) {
		struct fy_lane *lane = fy_thread_recent.lane;
		uint32_t word = FY_KIND_POST | (uint32_t)nbytes,
			 size = fy_record_pad8((uint32_t)sizeof(struct fy_record) +
		                               (uint32_t)nbytes);
		struct fy_record *r = fy_lane_reserve(lane, size);
		if (fy_likely(r != NULL)) {
			fy_record_clear_end(r, size);
			*r = (struct fy_record){ word, op, (uint32_t)rank, lane->stream };
			fy_record_copy_body(r + 1, body, nbytes);
			return publish(engine, lane, size, NULL);
		}
	}
	if (post_awaited(engine, FY_KIND_POST, rank, op, body, nbytes, future_p, &status))
		return status;
	return ferry_post_for(engine, rank, op, body, nbytes, FERRY_FOREVER, future_p);
}

static int post_bytes(ferry *engine, uint32_t kind, int rank, uint32_t op, const void *body,
                      size_t nbytes, int64_t timeout, ferry_future **future_p)
{
	int bad = fy_message_check_op(op);
	struct fy_post o = { .engine = engine,
		             .kind = kind,
		             .rank = rank,
		             .op = op,
		             .body = body,
		             .nbytes = nbytes,
		             .timeout = timeout };
	return bad ? bad : fy_post(&o, future_p);
}

int ferry_post_for(ferry *engine, int rank, uint32_t op, const void *body, size_t nbytes,
                   int64_t timeout, ferry_future **future_p)
{
	return post_bytes(engine, FY_KIND_POST, rank, op, body, nbytes, timeout, future_p);
}

int ferry_call(ferry *engine, int rank, uint32_t op, const void *body, size_t nbytes,
               ferry_future **future_p)
{
	int status;
	if (post_awaited(engine, FY_KIND_CALL, rank, op, body, nbytes, future_p, &status))
		return status;
	return ferry_call_for(engine, rank, op, body, nbytes, FERRY_FOREVER, future_p);
}

int ferry_call_for(ferry *engine, int rank, uint32_t op, const void *body, size_t nbytes,
                   int64_t timeout, ferry_future **future_p)
{
	return post_bytes(engine, FY_KIND_CALL, rank, op, body, nbytes, timeout, future_p);
}

/* False: take the long way. */
static inline bool post_counted(ferry *engine, int rank, uint32_t op, const void *body,
                                size_t nbytes, ferry_counter *counter, int *status_p)
{
	struct fy_lane *lane = fy_thread_recent.lane;
	uint32_t word = FY_KIND_POST | FY_EXT | FY_COUNTED | (uint32_t)nbytes,
		 size = fy_record_pad8((uint32_t)sizeof(struct fy_record) + 8 + (uint32_t)nbytes);
	struct fy_record *r = fy_lane_reserve(lane, size);
	if (fy_unlikely(!r))
		return false;
	fy_record_clear_end(r, size);
	*r = (struct fy_record){ word, op, (uint32_t)rank, lane->stream };
	fy_record_set_ext(r, (uint64_t)(uintptr_t)counter);
	fy_record_copy_body((char *)(r + 1) + 8, body, nbytes);
	*status_p = publish_counted(engine, lane, size, counter);
	return true;
}

int ferry_post_counted(ferry *engine, int rank, uint32_t op, const void *body, size_t nbytes,
                       ferry_counter *counter)
{
	int status;
	if (fy_likely(counter && is_frequent(engine, rank, op, body, nbytes) &&
	              counter->engine == engine &&
	              post_counted(engine, rank, op, body, nbytes, counter, &status)))
		return status;
	if (!engine || !counter)
		return fy_fail(FERRY_EINVAL, "ferry_post_counted needs an engine and a counter");
	if (counter->engine != engine)
		return fy_fail(FERRY_EINVAL,
		               "the counter belongs to another engine: create it with "
		               "this one");
	int bad = fy_message_check_op(op);
	struct fy_post o = { .engine = engine,
		             .kind = FY_KIND_POST,
		             .rank = rank,
		             .op = op,
		             .body = body,
		             .nbytes = nbytes,
		             .counter = counter,
		             .timeout = FERRY_FOREVER };
	return bad ? bad : fy_post(&o, NULL);
}

static int post_message(ferry *engine, int rank, ferry_message *message, uint32_t kind,
                        ferry_future **future_p)
{
	if (!engine || !message)
		return fy_fail(FERRY_EINVAL, "this needs an engine and a message");
	if (message->engine != engine)
		return fy_fail(FERRY_EINVAL,
		               "the message belongs to another engine: create it with this one");
	if (!(message->flags & (FY_MESSAGE_RECEIVED | FY_MESSAGE_POSTED | FY_MESSAGE_VIEW)))
		message->flags |= FY_MESSAGE_POSTED;
	struct fy_post o = { .engine = engine,
		             .kind = kind,
		             .rank = rank,
		             .op = message->op,
		             .message = message,
		             .timeout = FERRY_FOREVER };
	return fy_post(&o, future_p);
}

int fy_post_message(ferry *engine, int rank, ferry_message *message, ferry_future **future_p)
{
	return post_message(engine, rank, message, FY_KIND_POST, future_p);
}

int ferry_post_message(ferry *engine, int rank, ferry_message *message, ferry_future **future_p)
{
	int bad = message ? fy_message_check_op(message->op) : FERRY_OK;
	return bad ? bad : post_message(engine, rank, message, FY_KIND_POST, future_p);
}

int ferry_call_message(ferry *engine, int rank, ferry_message *message, ferry_future **future_p)
{
	int bad = message ? fy_message_check_op(message->op) : FERRY_OK;
	return bad ? bad : post_message(engine, rank, message, FY_KIND_CALL, future_p);
}
