/* SPDX-License-Identifier: Apache-2.0 */
/* What virtual application threads and handlers do. Each turn does a little of it. */
#include "world.h"
#include "support/life.h"
#include "sim/net/sim.h"

#include "app/own_lane.h"
#include "app/post.h"
#include "app/recv.h"
#include "base/order.h"
#include "future/executor.h"
#include "helm/mail.h"
#include "helm/progress.h"
#include "helm/timer.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "shared/handler.h"
#include "shared/lane.h"
#include "shared/mailbox.h"
#include "shared/message.h"
#include "shared/room.h"
#include "shared/thread.h"
#include "wire/bodies.h"
#include "wire/header.h"
#include "wire/record.h"

#include <stdlib.h>

/* a request that waits for a call holds credit and room: few of them, or ranks wait for each other
 * in a circle of the program's own making */
#define ONWARDS_MAX 4
#define DEPTH_MAX 3

/* ---- records ------------------------------------------------------------------- */

static int class_of(uint32_t op)
{
	switch (op) {
	case OP_QUEUE:
		return CLASS_QUEUE;
	case OP_LATE:
		return CLASS_LATE;
	case OP_NOBODY:
		return CLASS_NOBODY;
	case OP_INLINE:
	case OP_HASHED:
		return CLASS_INLINE;
	default:
		return op >= OP_TINY ? CLASS_TINY : CLASS_MAIL + (int)(op - OP_MAIL);
	}
}

static uint32_t draw_op(struct world *w)
{
	uint32_t dice = w_pick(w, 100);
	if (dice < 45)
		return w_chance(w, 80) ? OP_INLINE : OP_HASHED;
	if (dice < 60)
		return OP_QUEUE;
	if (dice < 85 || !w->plan.any_readers)
		return dice >= 97 ? OP_LATE : OP_MAIL + w_pick(w, 3);
	return dice < 95 ? OP_TINY : OP_LATE;
}

/* Sizes: mostly small, some at the edges of what is inline, folded or large. */
static size_t draw_size(struct world *w, bool large)
{
	static const size_t edges[] = { FY_LANE_INLINE, FY_FOLD_MAX, FY_REPLY_ROOM,
		                        FY_BATCH_BYTES };
	if (w_chance(w, 4)) {
		size_t edge = edges[w_pick(w, 4)] + w_pick(w, 48) - 24;
		return edge < w->plan.large_max ? edge : w->plan.large_max;
	}
	if (large)
		return w_between(w, 16, w->plan.large_max);
	return w_chance(w, 90) ? w_between(w, 16, 300) : w_between(w, 16, 6000);
}

static struct content *draw_content(struct world *w, bool as_message)
{
	bool many = as_message && w_pick(w, 1000) < w->plan.many;
	if (many)
		return l_content(w, 16, FY_LENGTHS_RECORD + w_pick(w, 3 * FY_LENGTHS_RECORD), 40);
	if (!as_message)
		return l_content(w, draw_size(w, w_chance(w, w->plan.large)), 0, 0);
	bool large = w_chance(w, 60);
	unsigned parts = w_pick(w, PARTS_MAX + 1);
	return l_content(w, draw_size(w, large && w_chance(w, 30)), parts,
	                 large ? w->plan.large_max : 2000);
}

static void draw_answer(struct world *w, struct rec *r)
{
	r->answer = (enum answer)w_pick(w, ANSWER_DROP + 1);
	if (r->answer == ANSWER_BYTES)
		r->reply =
			l_content(w,
		                  w_chance(w, 80) ? w_pick(w, 400) : draw_size(w, w_chance(w, 30)),
		                  0, 0);
	else if (r->answer == ANSWER_MESSAGE)
		r->reply = draw_content(w, true);
	r->later = w_chance(w, 30);
}

static struct rec *record(struct node *node, struct vlane *lane, uint32_t op, int dst,
                          struct content *content)
{
	struct rec *r = calloc(1, sizeof *r);
	*r = (struct rec){ .content = content,
		           .lane = lane,
		           .src = node->rank,
		           .dst = dst,
		           .op = op,
		           .forward = -1,
		           .onward = -1 };
	if (op == OP_TINY)
		r->op = OP_TINY + content->id;
	r->class = class_of(r->op);
	return r;
}

/* Handlers whose records set off others: one post, or one call before the answer. */
static void draw_consequences(struct node *node, struct rec *r)
{
	struct world *w = node->world;
	int rank = (int)w_pick(w, (uint32_t)w->plan.ranks);
	if (r->depth < DEPTH_MAX && w_chance(w, 12))
		r->forward = rank;
	unsigned slots = node->p->link.calls.max / 4 < ONWARDS_MAX ? node->p->link.calls.max / 4
	                                                           : ONWARDS_MAX;
	if (!r->call || r->depth || r->content->body > 300 || r->message ||
	    node->onwards >= slots || r->answer == ANSWER_DROP || r->class == CLASS_NOBODY ||
	    !w_chance(w, 25))
		return;
	r->onward = rank;
	r->wants_future = true;
	node->onwards++;
}

/* The same message to several ranks. */
static void draw_broadcast(struct node *node, struct rec *r)
{
	struct world *w = node->world;
	struct rec *last = r;
	for (int i = 0; i < w->plan.ranks && w_chance(w, 60); i++) {
		if (i == r->dst)
			continue; /* two that are the same could not be told apart */
		struct rec *copy = record(node, r->lane, r->op, i, r->content);
		copy->op = r->op;
		copy->message = r->message;
		copy->wants_future = w_chance(w, 50);
		last = last->broadcast = copy;
	}
}

static struct rec *draw(struct node *node, struct vlane *lane)
{
	struct world *w = node->world;
	int dst = (int)w_pick(w, (uint32_t)w->plan.ranks);
	if (w_chance(w, 1)) {
		struct rec *flush =
			record(node, lane, OP_INLINE, w_chance(w, 30) ? FERRY_ALL : dst, NULL);
		flush->flush = flush->wants_future = true;
		return flush;
	}
	bool call = w_chance(w, w->plan.calls);
	uint32_t op = call && w_chance(w, 2) ? OP_NOBODY : draw_op(w);
	bool message = op != OP_TINY && w_chance(w, w->plan.large);
	struct content *c =
		op == OP_TINY ? l_content(w, w_pick(w, 16), 0, 0) : draw_content(w, message);
	struct rec *r = record(node, lane, op, dst, c);
	r->call = call;
	r->wants_future = w_chance(w, call ? 90 : 40);
	r->message = message ? l_message(node, r->op, c) : NULL;
	if (call)
		draw_answer(w, r);
	draw_consequences(node, r);
	if (message && !call && w_chance(w, 20))
		draw_broadcast(node, r);
	return r;
}

/* ---- posting ---------------------------------------------------------------------- */

static void called_back(ferry_future *future, int status, void *arg)
{
	struct rec *r = arg;
	shortage_pause();
	r->called_back++;
	if (future == r->future && status != ferry_future_poll(future))
		r->called_back += 100;
	if (status == FERRY_OK && !r->flush && !r->call)
		l_confirmed(r->content->world, r);
	shortage_resume();
}

static void watch(struct node *node, struct rec *r)
{
	struct world *w = node->world;
	r->with_then = w_chance(w, 30);
	if (r->with_then && ferry_future_then(r->future, FERRY_INLINE, called_back, r))
		w_fail(w, "ferry_future_then: %s", ferry_last_error());
	if (r->flush || r->onward >= 0 || r->outer || !w_chance(w, w->plan.cancels))
		return;
	ferry_future_retain(r->future);
	if (fy_timer_add(node->p, fy_sim_now(w->sim) + (int64_t)w_between(w, 0, 100000), r->future))
		w_fail(w, "no memory for a timer");
	r->timed = true;
}

/* A long body for which send_memory has no room. */
static bool held_up(const struct node *node, const struct rec *r)
{
	return r && !r->flush && r->content->body && l_total(r->content) > FY_LANE_INLINE &&
	       fy_room_bodies_full(&node->engine->room, r->dst);
}

/* There is no room, so the engine would refuse it: a long body is not made each time to
 * hear that. */
static bool in_vain(struct node *node, const struct rec *r)
{
	if (r->flush || r->message || r->content->body <= FY_LANE_INLINE)
		return false;
	bool held = !r->by_handler && held_up(node, r);
	bool room = !held && node->engine->full[r->dst] != 1 && fy_lane_reserve(r->lane->lane, 32);
	return !room && ++node->vain % 16;
}

static int post(struct node *node, struct rec *r)
{
	node->world->tally.body_full += held_up(node, r);
	if (in_vain(node, r))
		return FERRY_EAGAIN;
	ferry_future **future_p = r->wants_future ? &r->future : NULL;
	if (r->flush)
		return fy_post_flush(node->engine, r->lane->lane, r->dst, 0, future_p);
	char *body = r->message ? NULL : l_body(r->content);
	struct fy_post o = { .engine = node->engine,
		             .lane = r->lane->lane,
		             .kind = r->call ? FY_KIND_CALL : FY_KIND_POST,
		             .rank = r->dst,
		             .op = r->op,
		             .body = body,
		             .nbytes = body ? r->content->body : 0,
		             .message = r->message };
	/* A virtual thread that runs a handler, as the library does it with the thread that
	 * runs one. */
	uint32_t tag = fy_lane_tag_posts(r->lane->lane,
	                                 r->by_handler ? fy_handler_tag_here(node->engine) : 0);
	int status = fy_post(&o, future_p);
	fy_lane_tag_posts(r->lane->lane, tag);
	free(body); /* copied before the return */
	return status;
}

static void answer(struct node *node, struct rec *r, ferry_message *m);

/* It will not be posted any more. */
static void forget(struct node *node, struct rec *r)
{
	while (r) {
		struct rec *next = r->broadcast;
		if (!next && r->message)
			ferry_message_release(r->message);
		if (r->outer) {
			answer(node, r->outer, r->request);
			ferry_message_release(r->request);
		}
		if (r->onward >= 0)
			node->onwards--;
		free(r);
		r = next;
	}
}

enum tried { ACCEPTED, NO_ROOM, OVER };

static enum tried try_post(struct node *node, struct rec *r)
{
	int status = post(node, r);
	if (status == FERRY_EAGAIN) {
		/* As a thread leaves its lane that sleeps until there is room: floods give way
		 * to answers. */
		if (w_chance(node->world, 50))
			fy_store_relaxed_32(&r->lane->lane->sleep.wants_room, 1);
		return NO_ROOM;
	}
	if (status == FERRY_ESTOPPED && node->state != NODE_OPEN)
		return OVER;
	if (status == FERRY_ETOOBIG && w_refuses(node->world, node->rank, l_total(r->content)))
		return OVER;
	if (status) {
		w_fail(node->world, "rank %d: a post to rank %d: %s, %s", node->rank, r->dst,
		       ferry_strname(status), ferry_last_error());
		return OVER;
	}
	l_accepted(node, r);
	if (!r->broadcast && r->message)
		ferry_message_release(r->message);
	if (r->future)
		watch(node, r);
	return ACCEPTED;
}

/* A handler posts; what finds no room is tried again by a thread. */
static void handler_posts(struct node *node, struct rec *r, const struct rec *parent)
{
	r->by_handler = true;
	/* What was in the mailbox when a fence was over is delivered; what a later handler or a
	 * reader makes of it is new. */
	r->epoch = l_goes_to_mail(parent) ? node->fences : parent->epoch;
	enum tried tried = node->stash ? NO_ROOM : try_post(node, r);
	if (tried == OVER)
		forget(node, r);
	if (tried != NO_ROOM)
		return;
	r->by_handler = false;
	*(node->stash_last ? &node->stash_last->mine_next : &node->stash) = r;
	node->stash_last = r;
}

static void post_stash(struct node *node)
{
	while (node->stash) {
		struct rec *r = node->stash, *next = r->mine_next;
		enum tried tried = try_post(node, r);
		if (tried == NO_ROOM)
			return;
		if (tried == OVER)
			forget(node, r);
		node->stash = next;
		if (!next)
			node->stash_last = NULL;
	}
}

static void post_some(struct node *node, struct vlane *lane)
{
	struct world *w = node->world;
	for (unsigned burst = 1 + w_pick(w, w_chance(w, 10) ? 100 : 6);
	     burst && node->state == NODE_OPEN; burst--) {
		if (!lane->attempt && !lane->quota)
			return;
		if (!lane->attempt) {
			lane->attempt = draw(node, lane);
			lane->quota--;
			w->posted++;
		}
		struct rec *next = lane->attempt->broadcast;
		enum tried tried = try_post(node, lane->attempt);
		if (tried == NO_ROOM || (tried == OVER && node->engine->phase != FY_OPEN))
			return;
		if (tried == ACCEPTED) {
			lane->attempt = next;
			continue;
		}
		/* too large for this rank to post: another one instead */
		forget(node, lane->attempt);
		lane->attempt = NULL;
		lane->quota++;
		w->posted--;
	}
}

/* ---- answering ---------------------------------------------------------------------- */

static int answer_message(struct node *node, struct rec *r, ferry_message *m)
{
	ferry_message *reply;
	/* the request outlives the engine, which makes no messages any more */
	if (node->state == NODE_STOPPED)
		return ferry_message_create(node->engine, OP_MAIL, &reply);
	reply = l_message(node, OP_MAIL, r->reply);
	int status = ferry_reply_message(m, reply);
	ferry_message_release(reply);
	return status;
}

static int answer_bytes(struct rec *r, ferry_message *m)
{
	char *body = l_body(r->reply);
	int status = ferry_reply(m, body, r->reply->body);
	free(body);
	return status;
}

static int answer_error(struct rec *r, ferry_message *m)
{
	char text[40];
	snprintf(text, sizeof text, "no, %u", r->content->id);
	return ferry_reply_error(m, -1000 - (int)(r->content->id % 100), text);
}

/* Answer a request that this node holds a reference of, or is the view of a handler. */
static void answer(struct node *node, struct rec *r, ferry_message *m)
{
	int status = FERRY_OK;
	if (r->answer == ANSWER_EMPTY)
		status = ferry_reply(m, NULL, 0);
	else if (r->answer == ANSWER_BYTES)
		status = answer_bytes(r, m);
	else if (r->answer == ANSWER_MESSAGE)
		status = answer_message(node, r, m);
	else if (r->answer == ANSWER_ERROR)
		status = answer_error(r, m);
	if (status && (status != FERRY_ESTOPPED || node->state == NODE_OPEN))
		w_fail(node->world, "an answer to content %u: %s, %s", r->content->id,
		       ferry_strname(status), ferry_last_error());
	r->answered = status == FERRY_OK;
	r->answered_late = node->state != NODE_OPEN;
	node->world->moved++;
	if (r->answer != ANSWER_DROP && status == FERRY_OK &&
	    ferry_reply(m, NULL, 0) != FERRY_EALREADY)
		w_fail(node->world, "a request can be answered twice (content %u)", r->content->id);
}

static void keep(struct node *node, struct rec *r, ferry_message *m, bool later)
{
	struct kept *k = malloc(sizeof *k);
	*k = (struct kept){ node->kept, m, r, later };
	node->kept = k;
}

/* Ask a third rank first; the answer comes when its answer is there. The reference of `m`
 * goes along. */
static void call_onward(struct node *node, struct rec *r, ferry_message *m)
{
	struct world *w = node->world;
	struct rec *inner = record(node, node->lanes[w->plan.lanes], OP_INLINE, r->onward,
	                           l_content(w, 16, 0, 0));
	inner->call = inner->wants_future = true;
	inner->depth = 1;
	inner->answer = ANSWER_EMPTY;
	inner->outer = r;
	inner->request = m;
	handler_posts(node, inner, r);
}

static void post_onward(struct node *node, struct rec *r)
{
	struct world *w = node->world;
	uint32_t op = draw_op(w);
	struct content *c =
		op == OP_TINY ? l_content(w, w_pick(w, 16), 0, 0) : draw_content(w, false);
	struct rec *next = record(node, node->lanes[w->plan.lanes], op, r->forward, c);
	next->depth = r->depth + 1;
	next->wants_future = w_chance(w, 20);
	draw_consequences(node, next);
	handler_posts(node, next, r);
}

/* When the handler returns. One that was registered during the close may come after its
 * last count. */
static void by_engine(struct node *node, struct rec *r)
{
	r->answered = true;
	r->answered_late = node->state != NODE_OPEN && r->class == CLASS_LATE;
}

/* A message was taken; `owned`: by a reader, who has a reference. */
static void taken(struct node *node, ferry_message *m, bool owned)
{
	struct world *w = node->world;
	struct rec *r = l_take(node, m);
	bool hoard = w_chance(w, w->plan.hoard), reply = r && r->call;
	if (r && r->forward >= 0)
		post_onward(node, r);
	bool keeps =
		r && (hoard || (reply && (r->later || r->onward >= 0 || r->answer == ANSWER_DROP)));
	if (keeps && !owned)
		ferry_message_retain(m);
	if (reply && r->onward >= 0)
		call_onward(node, r, m);
	else if (reply && r->later)
		keep(node, r, m, true);
	else if (reply && r->answer == ANSWER_EMPTY && !owned && !keeps)
		by_engine(node, r);
	else if (reply)
		answer(node, r, m);
	bool given = reply && (r->onward >= 0 || r->later);
	if (keeps && !given && hoard)
		keep(node, r, m, false);
	else if (!given && (owned || keeps))
		ferry_message_release(m);
}

static void handler(ferry *engine, ferry_message *message, void *arg)
{
	struct node *node = arg;
	if (engine != node->engine)
		w_fail(node->world, "a handler got another engine");
	shortage_pause();
	taken(node, message, false);
	shortage_resume();
}

/* The mailbox notes on the real clock who asked for what; here the time is virtual. */
static void note_asked(struct node *node)
{
	struct fy_mailbox *box = &node->engine->mailbox;
	int64_t now = fy_sim_now(node->world->sim);
	for (unsigned i = 0; i < box->n_patterns; i++)
		if (box->patterns[i].asked_at > now)
			box->patterns[i].asked_at = now;
}

static void read_mail(struct node *node)
{
	struct world *w = node->world;
	bool some = fy_load_acquire_64(&node->engine->mailbox.bytes);
	for (unsigned n = some ? 1 + w_pick(w, 8) : w_chance(w, 5); n; n--) {
		ferry_message *m = NULL;
		uint32_t op = w->plan.any_readers && w_chance(w, 70) ? FERRY_ANY_OP
		                                                     : OP_MAIL + w_pick(w, 3);
		int source = w_chance(w, 80) ? FERRY_ANY : (int)w_pick(w, (uint32_t)w->plan.ranks);
		int status = fy_recv(node->engine, source, op, 0, &m);
		note_asked(node);
		if (status == FERRY_OK)
			taken(node, m, true);
		else if (status != FERRY_PENDING && status != FERRY_EDEADLK &&
		         node->engine->phase != FY_STOPPED)
			w_fail(w, "ferry_recv: %s, %s", ferry_strname(status), ferry_last_error());
	}
}

static void give_back(struct node *node)
{
	struct kept *k = node->kept;
	if (!k)
		return;
	node->kept = k->next;
	if (k->answer)
		answer(node, k->rec, k->message);
	ferry_message_release(k->message);
	free(k);
	node->world->moved++;
}

/* ---- futures ------------------------------------------------------------------------- */

static void cancel(struct node *node, struct rec *r)
{
	int status = ferry_future_cancel(r->future);
	r->cancelled = status == FERRY_OK;
	if (status && status != FERRY_EALREADY)
		w_fail(node->world, "ferry_future_cancel: %s", ferry_last_error());
}

static void look_at_futures(struct node *node)
{
	struct world *w = node->world;
	for (struct rec **at = &node->futures; *at;) {
		struct rec *r = *at;
		if (!r->flush && r->onward < 0 && !r->outer && w_pick(w, 1000) < w->plan.cancels)
			cancel(node, r);
		if (!l_settle(node, r)) {
			at = &r->mine_next;
			continue;
		}
		*at = r->mine_next;
		if (r->onward >= 0)
			node->onwards--;
		if (!r->outer)
			continue;
		answer(node, r->outer, r->request);
		ferry_message_release(r->request);
	}
}

/* ---- threads ---------------------------------------------------------------------------- */

static struct vlane *start_thread(struct node *node, int index, unsigned quota)
{
	struct vlane *lane = calloc(1, sizeof *lane);
	*lane = (struct vlane){
		.next = node->world->all_lanes, .rank = node->rank, .index = index, .quota = quota
	};
	lane->lane = fy_own_lane_create(node->engine);
	node->world->all_lanes = lane;
	node->lanes[index] = lane;
	return lane;
}

/* What a thread does when it exits. */
static void exit_thread(struct node *node, struct vlane *lane)
{
	fy_store_release_32(&lane->lane->life.left, 1);
	fy_own_lane_list(node->engine, lane->lane);
	fy_lane_release(lane->lane);
	lane->lane = NULL;
}

static void change_threads(struct node *node, struct vlane *lane)
{
	if (lane->attempt || lane->index == node->world->plan.lanes)
		return;
	exit_thread(node, lane);
	start_thread(node, lane->index, lane->quota);
}

void a_act(struct node *node, struct vlane *lane)
{
	struct world *w = node->world;
	const struct plan *plan = &w->plan;
	if (node->state == NODE_OPEN)
		post_some(node, lane);
	post_stash(node);
	bool stops = plan->stop_reading && !w->reads_again && w->posted > plan->records / 4 &&
	             w->posted < plan->records / 2;
	bool reads = !stops && !(plan->unread && w->closing == plan->ranks);
	if (reads && w_chance(w, plan->reading))
		read_mail(node);
	if (w_chance(w, 30))
		give_back(node);
	if (w_chance(w, 10))
		look_at_futures(node);
	if (w_chance(w, 30) && ferry_executor_run(node->queue, 1 + w_pick(w, 10), 0) < 0)
		w_fail(w, "ferry_executor_run: %s", ferry_last_error());
	if (plan->churn && w_chance(w, 2))
		change_threads(node, lane);
}

bool a_idle(const struct node *node)
{
	for (int i = 0; i < node->world->plan.lanes; i++)
		if (node->lanes[i]->quota || node->lanes[i]->attempt)
			return false;
	return !node->stash;
}

/* Does a thread want to post something for which there is no room? */
bool a_held_up(const struct node *node)
{
	for (int i = 0; i < node->world->plan.lanes; i++)
		if (node->lanes[i]->attempt)
			return true;
	return node->stash;
}

/* ---- beginning and end ------------------------------------------------------------------- */

static void handle(struct node *node, uint32_t op, ferry_executor *where)
{
	struct fy_handler *h = calloc(1, sizeof *h), *old = NULL;
	*h = (struct fy_handler){ .op = op, .where = where, .fn = handler, .arg = node, .refs = 1 };
	if (where)
		fy_executor_retain(where);
	if (!fy_mail_set_handler(node->p, h, op, &old))
		w_fail(node->world, "the mailbox is locked");
	if (old)
		fy_handler_release(old);
}

void a_register_late(struct node *node)
{
	node->p->link.user_code = !w_chance(node->world, 30);
	ferry *before = fy_thread_begin(FY_STEPPING, node->engine);
	handle(node, OP_LATE, FERRY_INLINE);
	fy_thread_end(FY_STEPPING, before);
	node->late_done = true;
}

void a_start(struct node *node)
{
	const struct plan *plan = &node->world->plan;
	unsigned threads = (unsigned)(plan->ranks * plan->lanes);
	if (ferry_queue_create(node->engine, &node->queue))
		w_fail(node->world, "ferry_queue_create: %s", ferry_last_error());
	handle(node, OP_INLINE, FERRY_INLINE);
	handle(node, OP_HASHED, FERRY_INLINE);
	handle(node, OP_QUEUE, node->queue);
	for (int i = 0; i < plan->lanes; i++)
		start_thread(node, i, (plan->records + threads - 1) / threads);
	start_thread(node, plan->lanes, 0);
}

/* Just before the engine goes: what was never posted is given up. */
void a_leave(struct node *node)
{
	for (int i = 0; i <= node->world->plan.lanes; i++) {
		forget(node, node->lanes[i]->attempt);
		node->lanes[i]->attempt = NULL;
	}
	while (node->stash) {
		struct rec *r = node->stash;
		node->stash = r->mine_next;
		forget(node, r);
	}
	node->stash_last = NULL;
}

void a_end(struct node *node)
{
	while (node->kept)
		give_back(node);
	look_at_futures(node);
	ferry_executor_destroy(node->queue);
	for (struct vlane *lane = node->world->all_lanes; lane; lane = lane->next) {
		if (lane->rank != node->rank || !lane->lane)
			continue;
		t_leave(node->engine, lane->lane);
		lane->lane = NULL;
	}
}
