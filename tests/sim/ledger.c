/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger: what was posted and what became of it. See world.h. */
#include "world.h"
#include "sim/net/sim.h"

#include "base/order.h"
#include "future/future.h"
#include "helm/progress.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "shared/mailbox.h"
#include "shared/message.h"

#include <stdlib.h>

#define MAGIC 0x0DDBA11u
#define HEAD 16u /* a body that is at least this long says whose it is */
#define NOT_SENT "had not been sent and will not be"

struct head {
	uint32_t magic, id;
	uint64_t seed;
};

/* ---- bytes ------------------------------------------------------------------- */

static uint64_t word_of(uint64_t key, size_t i)
{
	uint64_t x = (key + i) * UINT64_C(0x9e3779b97f4a7c15);
	return x ^ x >> 29;
}

static uint64_t key_of(const struct content *c, unsigned index)
{
	return (c->world->seed << 20) + ((uint64_t)c->id << 6) * 0x10001u +
	       index * UINT64_C(0x517cc1b727220a95);
}

static void fill(const struct content *c, unsigned index, char *to, size_t nbytes)
{
	uint64_t key = key_of(c, index), word;
	size_t i = 0;
	for (; i + 8 <= nbytes; i += 8) {
		word = word_of(key, i);
		memcpy(to + i, &word, 8);
	}
	word = word_of(key, i);
	memcpy(to + i, &word, nbytes - i);
	if (index == 0 && nbytes >= HEAD)
		memcpy(to, &(struct head){ MAGIC, c->id, c->world->seed }, HEAD);
}

static bool same(const struct content *c, unsigned index, const char *data, size_t nbytes)
{
	uint64_t key = key_of(c, index), word, there;
	size_t i = 0;
	if (index == 0 && nbytes >= HEAD) {
		if (memcmp(data, &(struct head){ MAGIC, c->id, c->world->seed }, HEAD))
			return false;
		i = HEAD;
	}
	for (; i + 8 <= nbytes; i += 8) {
		memcpy(&there, data + i, 8);
		if (there != word_of(key, i))
			return false;
	}
	word = word_of(key, i);
	return nbytes == i || memcmp(data + i, &word, nbytes - i) == 0;
}

/* ---- contents ------------------------------------------------------------------ */

struct content *l_content(struct world *w, size_t body, unsigned n_parts, size_t part_max)
{
	struct content *c = calloc(1, sizeof *c);
	if (w->n_contents == w->contents_room) {
		w->contents_room = w->contents_room ? 2 * w->contents_room : 1024;
		w->contents = realloc(w->contents, w->contents_room * sizeof(struct content *));
	}
	*c = (struct content){ .world = w, .id = w->n_contents, .body = body, .n_parts = n_parts };
	w->contents[w->n_contents++] = c;
	c->parts = n_parts ? calloc(n_parts, sizeof *c->parts) : NULL;
	for (unsigned i = 0; i < n_parts; i++) {
		size_t n = w_chance(w, 15) ? 0 : w_between(w, 0, part_max);
		c->parts[i] = (struct part){ .content = c, .index = i + 1, .nbytes = n };
	}
	return c;
}

size_t l_total(const struct content *c)
{
	size_t total = c ? c->body : 0;
	for (unsigned i = 0; c && i < c->n_parts; i++)
		total += c->parts[i].nbytes;
	return total;
}

/* The library gives an attachment back. What it does after that finds other bytes, or none. */
static void part_released(void *data, void *arg)
{
	struct part *part = arg;
	struct world *w = part->content->world;
	if (part->released++) {
		w_fail(w, "attachment %u of content %u was released twice", part->index,
		       part->content->id);
		return;
	}
	if (data != part->data)
		w_fail(w, "attachment %u of content %u was released with another address",
		       part->index, part->content->id);
	else if (!same(part->content, part->index, part->data, part->nbytes))
		w_fail(w, "attachment %u of content %u was changed", part->index,
		       part->content->id);
	memset(part->data, 0xDD, part->nbytes);
	free(part->data);
	part->data = NULL;
	w->moved++;
}

static void attach(ferry_message *m, struct part *part)
{
	part->data = malloc(part->nbytes + 1);
	fill(part->content, part->index, part->data, part->nbytes);
	part->lent = true;
	if (ferry_message_attach(m, part->data, part->nbytes, part_released, part))
		w_fail(part->content->world, "ferry_message_attach: %s", ferry_last_error());
}

char *l_body(const struct content *c)
{
	char *body = malloc(c->body + 1);
	fill(c, 0, body, c->body);
	return body;
}

ferry_message *l_message(struct node *node, uint32_t op, struct content *c)
{
	ferry_message *m = NULL;
	char *body = l_body(c);
	if (ferry_message_create(node->engine, op, &m))
		w_fail(node->world, "ferry_message_create: %s", ferry_last_error());
	size_t half = c->body / 2;
	if (m && (ferry_message_write(m, body, half) ||
	          ferry_message_write(m, body + half, c->body - half)))
		w_fail(node->world, "ferry_message_write: %s", ferry_last_error());
	for (unsigned i = 0; m && i < c->n_parts; i++)
		attach(m, &c->parts[i]);
	free(body);
	return m;
}

static const char *differs(const struct content *c, const ferry_message *m)
{
	size_t n;
	const char *body = ferry_message_body(m, &n);
	if (n != c->body)
		return "its body has another length";
	if (!same(c, 0, body, n))
		return "its body has other bytes";
	if (ferry_message_attachments(m) != c->n_parts)
		return "it has another number of attachments";
	for (unsigned i = 0; i < c->n_parts; i++) {
		const char *data = ferry_message_attachment(m, i, &n);
		if (n != c->parts[i].nbytes)
			return "an attachment has another length";
		if (!same(c, i + 1, data, n))
			return "an attachment has other bytes";
	}
	return NULL;
}

/* ---- deliveries ------------------------------------------------------------------- */

static struct content *content_of(struct world *w, const ferry_message *m)
{
	size_t n;
	struct head head;
	const void *body = ferry_message_body(m, &n);
	uint32_t op = ferry_message_op(m);
	if (op >= OP_TINY)
		return op - OP_TINY < w->n_contents ? w->contents[op - OP_TINY] : NULL;
	if (n < HEAD)
		return NULL;
	memcpy(&head, body, sizeof head);
	return head.magic == MAGIC && head.id < w->n_contents && head.seed == w->seed
	               ? w->contents[head.id]
	               : NULL;
}

/* The oldest record that it can be. */
static struct rec *identify(struct world *w, int rank, const ferry_message *m)
{
	struct content *c = content_of(w, m);
	struct rec *again = NULL;
	for (struct rec *r = c ? c->recs : NULL; r; r = r->same) {
		if (r->dst != rank || r->src != ferry_message_source(m) ||
		    r->op != ferry_message_op(m))
			continue;
		if (!r->delivered && !r->in_mail && !r->unsent)
			return r;
		again = r;
	}
	if (again)
		w_fail(w, "content %u from rank %d came to rank %d %s", c->id, again->src, rank,
		       again->unsent ? "though its future says that it was not sent" : "twice");
	else
		w_fail(w,
		       "rank %d got a message of %zu bytes, op %#x, from rank %d that nobody "
		       "posted",
		       rank, m->nbytes, m->op, m->source);
	return NULL;
}

struct rec *l_take(struct node *node, const ferry_message *m)
{
	struct world *w = node->world;
	struct rec *r = identify(w, node->rank, m);
	if (!r)
		return NULL;
	const char *what = differs(r->content, m);
	if (what)
		w_fail(w, "content %u from rank %d to rank %d: %s", r->content->id, r->src, r->dst,
		       what);
	uint32_t *seen = &r->lane->seen[r->dst][r->class];
	if (r->seq <= *seen)
		w_fail(w,
		       "lane %d of rank %d to rank %d, class %d: number %u came after number %u "
		       "(content %u)",
		       r->lane->index, r->src, r->dst, r->class, r->seq, *seen, r->content->id);
	*seen = r->seq;
	fy_sim_note(w->sim, node->rank, (uint64_t)r->content->id << 32 | r->seq);
	r->delivered++;
	w->moved++;
	w->tally.delivered++;
	return r;
}

void l_accepted(struct node *node, struct rec *r)
{
	struct world *w = node->world;
	r->accepted = true;
	r->order = ++w->accepted;
	w->moved++;
	if (!r->by_handler)
		r->epoch = node->fences;
	if (r->future) {
		r->mine_next = node->futures;
		node->futures = r;
	}
	r->next = w->recs;
	w->recs = r;
	if (r->flush)
		return;
	r->seq = ++r->lane->sent[r->dst][r->class];
	struct rec **at = &r->content->recs;
	while (*at)
		at = &(*at)->same;
	*at = r;
	w->tally.records++;
}

/* ---- futures ------------------------------------------------------------------------ */

static const char *wrong_reply(struct rec *r)
{
	ferry_message *reply = NULL;
	if (r->answer == ANSWER_ERROR || r->answer == ANSWER_DROP)
		return "a reply where none was given";
	if (!r->delivered || !r->answered)
		return "a reply that nobody gave";
	if (ferry_future_take(r->future, &reply))
		return ferry_last_error();
	const char *what = r->answer == ANSWER_EMPTY ? NULL : differs(r->reply, reply);
	if (r->answer == ANSWER_EMPTY && (reply->nbytes || reply->n_attachments))
		what = "it is not empty";
	ferry_message_release(reply);
	reply = NULL;
	if (!what && ferry_future_take(r->future, &reply) != FERRY_EALREADY)
		what = "it can be taken twice";
	return what;
}

/* May a call end like this? */
static const char *wrong_end(struct node *node, const struct rec *r)
{
	char text[40];
	const char *detail = ferry_future_detail(r->future);
	bool closing = node->state != NODE_OPEN,
	     textless = node->world->plan.short_one_in && !*detail;
	if (r->status == FERRY_ESTOPPED)
		return closing && (!r->answered || r->answered_late || r->answer == ANSWER_DROP)
		               ? NULL
		               : "it was stopped though it was answered";
	if (r->status == FERRY_ENOHANDLER)
		return l_goes_to_mail(r) && !r->delivered ? NULL : "somebody handles it";
	if (r->status != FERRY_EREMOTE)
		return "that cannot be";
	snprintf(text, sizeof text, "no, %u", r->content->id);
	if (r->answer == ANSWER_ERROR && r->answered)
		return textless || strstr(detail, text) ? NULL : "the text is another";
	return r->answer == ANSWER_DROP || !r->answered ? NULL : "it was answered";
}

/* Too large for the target, or its reply for the caller. */
static const char *wrong_refusal(struct node *node, const struct rec *r)
{
	if (r->flush)
		return node->world->plan.odd_max ? NULL : "nobody refuses anything";
	if (w_refuses(node->world, r->dst, l_total(r->content)))
		return r->delivered ? "it was delivered" : NULL;
	bool reply = r->call && r->answered && r->answer == ANSWER_MESSAGE;
	reply |= r->call && r->answered && r->answer == ANSWER_BYTES;
	return reply && w_refuses(node->world, r->src, l_total(r->reply)) ? NULL
	                                                                  : "it is not too large";
}

/* A chunk was lost, or there was no memory: of the message, or of its reply. */
static const char *wrong_failure(struct node *node, const struct rec *r)
{
	struct world *w = node->world;
	if (r->flush)
		return w->plan.net.fail_data_ppm || w->plan.short_one_in ? NULL : "nothing fails";
	if (!r->delivered && l_may_fail(w, r->content))
		return NULL;
	return r->call && r->answered && l_may_fail(w, r->reply) ? NULL : "none of it was lost";
}

static const char *wrong_status(struct node *node, struct rec *r)
{
	if (r->status == FERRY_EMPI ||
	    (r->status == FERRY_ENOMEM && node->world->plan.short_one_in))
		return wrong_failure(node, r);
	if (r->status == FERRY_ETOOBIG)
		return wrong_refusal(node, r);
	if (r->status == FERRY_ECANCELED)
		return r->cancelled ? NULL : "nobody cancelled it";
	if (r->cancelled)
		return "it was cancelled";
	if (r->status == FERRY_ETIMEDOUT)
		return r->timed ? NULL : "it had no deadline";
	if (r->call)
		return r->status == FERRY_OK ? wrong_reply(r) : wrong_end(node, r);
	if (r->status == FERRY_ESTOPPED && r->by_handler && node->state != NODE_OPEN)
		/* posted after the last count of the close: nobody is left to confirm it */
		return NULL;
	return r->status == FERRY_OK ? NULL : "nothing was wrong with it";
}

/* Whoever says that a post was confirmed says that it was dispatched there. What an inline handler
 * takes is then delivered, unless the thread that stepped may not run user code. */
void l_confirmed(struct world *w, const struct rec *r)
{
	const struct node *there = &w->nodes[r->dst];
	if (r->class == CLASS_INLINE && !r->delivered && there->p && !there->p->link.tasks.first)
		w_fail(w,
		       "the post of content %u from rank %d to rank %d was confirmed before it "
		       "came",
		       r->content->id, r->src, r->dst);
}

/* A flush that went well is over: what was posted before it in its lane came, watched by a future
 * or not. */
static void flushed(struct world *w, const struct rec *flush)
{
	for (const struct rec *r = w->recs; r; r = r->next)
		if (r->lane == flush->lane && !r->call && !r->flush && r->order < flush->order &&
		    (flush->dst == FERRY_ALL || r->dst == flush->dst) &&
		    !w_refuses(w, r->dst, l_total(r->content)) &&
		    (r->future || !l_may_fail(w, r->content)) &&
		    (!r->future || (r->settled && r->status == FERRY_OK)))
			l_confirmed(w, r);
}

/* A flush is over: so are the posts before it, of its lane. */
static void check_flush(struct node *node, const struct rec *flush)
{
	if (flush->status == FERRY_OK)
		flushed(node->world, flush);
	for (const struct rec *r = node->futures; r; r = r->mine_next)
		if (r->lane == flush->lane && !r->call && r->order < flush->order &&
		    (flush->dst == FERRY_ALL || r->dst == flush->dst) &&
		    !fy_future_is_done(r->future))
			w_fail(node->world,
			       "rank %d: a flush of rank %d is over before the post of content %u",
			       node->rank, flush->dst, r->content ? r->content->id : 0);
	node->world->tally.flushes++;
}

static void tally_status(struct world *w, struct rec *r)
{
	bool given_up = r->status == FERRY_ECANCELED || r->status == FERRY_ETIMEDOUT ||
	                r->status == FERRY_ETOOBIG;
	given_up |= (r->status == FERRY_EMPI || r->status == FERRY_ENOMEM) && !r->flush;
	r->unsent = given_up && strstr(ferry_future_detail(r->future), NOT_SENT);
	r->exempt = given_up;
	if (r->unsent && r->delivered)
		w_fail(w, "content %u was delivered though its future says that it was not sent",
		       r->content->id);
	w->tally.unsent += r->unsent;
	w->tally.cancelled += r->status == FERRY_ECANCELED;
	w->tally.timed_out += r->status == FERRY_ETIMEDOUT;
	w->tally.nohandler += r->status == FERRY_ENOHANDLER;
	w->tally.stopped_calls += r->status == FERRY_ESTOPPED;
	w->tally.failed += r->status == FERRY_EMPI;
	w->moved++;
}

bool l_settle(struct node *node, struct rec *r)
{
	if (r->settled)
		return true;
	r->status = ferry_future_poll(r->future);
	if (r->status == FERRY_PENDING)
		return false;
	r->settled = true;
	fy_sim_note(node->world->sim, node->rank, r->order << 32 | (uint32_t)r->status);
	const char *what = wrong_status(node, r);
	if (what)
		w_fail(node->world,
		       "rank %d: the %s of content %u to rank %d (op %#x, answer %d) ended with %s "
		       "(%s): %s",
		       node->rank,
		       r->flush  ? "flush"
		       : r->call ? "call"
		                 : "post",
		       r->content ? r->content->id : 0, r->dst, r->op, r->answer,
		       ferry_strname(r->status), ferry_future_detail(r->future), what);
	tally_status(node->world, r);
	if (r->flush)
		check_flush(node, r);
	else if (!r->call && r->status == FERRY_OK)
		l_confirmed(node->world, r);
	return true;
}

/* ---- fences --------------------------------------------------------------------------- */

static void mark_mail(struct node *node)
{
	if (node->state == NODE_STOPPED)
		return;
	fy_mailbox_sort(&node->engine->mailbox);
	for (ferry_message *m = node->engine->mailbox.all.first; m; m = m->next) {
		struct rec *r = identify(node->world, node->rank, m);
		if (r)
			r->in_mail = true;
	}
}

void l_fence_over(struct world *w, uint32_t epoch)
{
	for (int i = 0; i < w->plan.ranks; i++)
		mark_mail(&w->nodes[i]);
	for (struct rec *r = w->recs; r; r = r->next)
		if (r->epoch < epoch && !r->flush && !r->delivered && !r->in_mail && !r->exempt &&
		    !w_refuses(w, r->dst, l_total(r->content)) && !l_may_fail(w, r->content) &&
		    !(r->call && l_goes_to_mail(r)) &&
		    !(r->class == CLASS_LATE && w->nodes[r->dst].late_done))
			w_fail(w,
			       "a fence is over, and content %u of epoch %u from rank %d to rank "
			       "%d (op %#x) is not delivered",
			       r->content->id, r->epoch, r->src, r->dst, r->op);
	for (struct rec *r = w->recs; r; r = r->next)
		r->in_mail = false;
	w->tally.fences++;
}

/* ---- the end ---------------------------------------------------------------------------- */

static void check_future(struct world *w, struct rec *r)
{
	uint32_t id = r->content ? r->content->id : 0;
	if (!r->settled)
		w_fail(w, "the future of content %u from rank %d to rank %d was never completed",
		       id, r->src, r->dst);
	else if (ferry_future_poll(r->future) != r->status)
		w_fail(w, "the future of content %u was completed twice", id);
	else if (r->called_back != r->with_then)
		w_fail(w, "the callback of content %u ran %u times", id, r->called_back);
	else if (fy_future_refs(r->future) != 1)
		w_fail(w,
		       "the future of content %u has %u references at the end, not the program's "
		       "alone",
		       id, fy_future_refs(r->future));
}

static bool may_be_lost(const struct world *w, const struct rec *r)
{
	if (!r->future && (w_refuses(w, r->dst, l_total(r->content)) || l_may_fail(w, r->content)))
		return true;
	return r->unsent || r->exempt || (r->call && l_goes_to_mail(r));
}

static void check_record(struct world *w, struct rec *r, uint64_t *lost, uint64_t *maybe)
{
	if (r->future)
		check_future(w, r);
	if (r->flush || r->delivered)
		return;
	if (may_be_lost(w, r)) {
		maybe[r->dst]++;
		return;
	}
	lost[r->dst]++;
	if (r->class == CLASS_INLINE || r->class == CLASS_QUEUE)
		w_fail(w, "content %u from rank %d to rank %d (op %#x) was never delivered",
		       r->content->id, r->src, r->dst, r->op);
}

static void check_parts(struct world *w)
{
	for (uint32_t i = 0; i < w->n_contents; i++)
		for (unsigned k = 0; k < w->contents[i]->n_parts; k++) {
			const struct part *part = &w->contents[i]->parts[k];
			if (part->lent && !part->released)
				w_fail(w, "attachment %u of content %u was never released", k, i);
		}
}

void l_check(struct world *w)
{
	uint64_t lost[RANKS_MAX] = { 0 }, maybe[RANKS_MAX] = { 0 };
	for (struct rec *r = w->recs; r; r = r->next)
		check_record(w, r, lost, maybe);
	for (int i = 0; i < w->plan.ranks; i++)
		if (lost[i] > w->nodes[i].dropped || w->nodes[i].dropped > lost[i] + maybe[i])
			w_fail(w,
			       "rank %d: %llu messages were not read, and %llu were dropped (%llu "
			       "may be)",
			       i, (unsigned long long)lost[i],
			       (unsigned long long)w->nodes[i].dropped,
			       (unsigned long long)maybe[i]);
	check_parts(w);
}

/* A call that failed keeps the empty message that was meant for its reply, and that one
 * its engine. */
unsigned l_blanks(const struct world *w, int rank)
{
	unsigned blanks = 0;
	for (const struct rec *r = w->recs; r; r = r->next)
		blanks += r->src == rank && r->future && r->future->reply &&
		          !(fy_load_acquire_32(&r->future->state) & FY_FUTURE_REPLIED);
	return blanks;
}

void l_free(struct world *w)
{
	while (w->recs) {
		struct rec *r = w->recs;
		w->recs = r->next;
		if (r->future)
			ferry_future_release(r->future);
		free(r);
	}
	for (uint32_t i = 0; i < w->n_contents; i++) {
		free(w->contents[i]->parts);
		free(w->contents[i]);
	}
	free(w->contents);
	while (w->all_lanes) {
		struct vlane *lane = w->all_lanes;
		w->all_lanes = lane->next;
		free(lane);
	}
}
