/* SPDX-License-Identifier: Apache-2.0 */
/* Engines over the simulated network, stepped by chance, and what must hold all the time.
 * See world.h. */
#include "world.h"
#include "sim/net/sim.h"

#include "base/options.h"
#include "base/order.h"
#include "bulk/bulk.h"
#include "bulk/inbound.h"
#include "engine/life.h"
#include "helm/agree.h"
#include "helm/close.h"
#include "helm/lanes.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "link/channel.h"
#include "port/port.h"
#include "shared/engine.h"
#include "shared/message.h"
#include "shared/thread.h"
#include "wire/bodies.h"
#include "wire/header.h"
#include "wire/record.h"
#include "bulk/pair.h"
#include "helm/peer.h"

#include <stdarg.h>
#include <stdlib.h>

/* nothing that a program could notice happened for so long: it hangs */
#define STILL_NS FERRY_MS(400)
#define STILL_ROUNDS 4000
#define TICK FERRY_US(100) /* when the network has nothing to do, only timers have */

void w_fail(struct world *w, const char *format, ...)
{
	va_list args;
	if (w_failed(w))
		return;
	int n = snprintf(w->failure, sizeof w->failure,
	                 "at %lld ns: ", w->sim ? (long long)fy_sim_now(w->sim) : 0LL);
	va_start(args, format);
	vsnprintf(w->failure + n, sizeof w->failure - (size_t)n, format, args);
	va_end(args);
}

/* ---- the plan -------------------------------------------------------------------- */

static size_t one_of(struct world *w, const size_t *sizes, unsigned n)
{
	return sizes[w_pick(w, n)];
}

static void plan_network(struct world *w, struct fy_sim_options *o)
{
	static const size_t eager[] = { 1, 512, 8192, 65536, SIZE_MAX };
	static const size_t chunk[] = { FY_BATCH_BYTES, 20000, 65536, 1u << 30 };
	static const size_t tags[] = { 3, 6, 50, 1 << 28 }; /* few: they come again and again */
	o->delay_max = (int64_t)w_between(w, 1000, 60000);
	o->late_max = w_chance(w, 30) ? (int64_t)w_between(w, 1, 200000) : 0;
	o->grain = w_chance(w, 30) ? 1000 : 1;
	o->eager_max = one_of(w, eager, 5);
	o->chunk_max = one_of(w, chunk, 4);
	o->tag_max = (int)one_of(w, tags, 4);
	o->refuse_ppm = w_chance(w, 30) ? (uint32_t)w_between(w, 100, 200000) : 0;
	o->remote = w_chance(w, 30);
	o->count_misuse = true;
}

static void plan_sizes(struct world *w, struct plan *plan)
{
	static const size_t receive[] = {
		96 << 10, 200 << 10, 1 << 20, 1 << 20, 8 << 20, 256 << 20
	};
	static const size_t send[] = { 2 << 10, 32 << 10, 1 << 20, 64 << 20 };
	plan->receive_memory = one_of(w, receive, 6);
	plan->send_memory = one_of(w, send, 4);
	plan->large = (unsigned)w_between(w, 1, 20);
	plan->large_max = w_chance(w, 30) ? 20000 : w_chance(w, 90) ? 100000 : 400000;
	plan->many = w_chance(w, 20) ? 20 : 0;
	if (plan->many && plan->net.tag_max < 50)
		/* a chunk a part, one after the other: a slow rank would need a second for
		 * a message */
		plan->net.tag_max = 50;
	plan->odd_max = w_chance(w, 25) ? w_between(w, 5000, 50000) : 0;
}

void w_plan(struct world *w, struct plan *plan)
{
	*plan = (struct plan){ .ranks = w_chance(w, 70) ? 2 + (int)w_pick(w, 4)
		                                        : 2 + (int)w_pick(w, RANKS_MAX - 1),
		               .lanes = 1 + (int)w_pick(w, LANES_MAX - 1),
		               .records = 1000 + w_pick(w, 300) };
	plan_network(w, &plan->net);
	plan_sizes(w, plan);
	plan->first_seq = w_chance(w, 50) ? (uint32_t)-1 - w_pick(w, 20) : 1;
	plan->borrowed = w_chance(w, 60) ? w_pick(w, 90) : 0;
	plan->slow = w_chance(w, 30) ? (unsigned)w_between(w, 3, 50) : 100;
	plan->calls = w_pick(w, 60);
	plan->reading = (unsigned)w_between(w, 5, 100);
	plan->cancels = w_chance(w, 50) ? (unsigned)w_between(w, 1, 20) : 0;
	plan->hoard = w_chance(w, 50) ? w_pick(w, 40) : 0;
	plan->fences = w_pick(w, FENCES_MAX + 1);
	plan->any_readers = w_chance(w, 60);
	plan->early_close = plan->fences == 0 && w_chance(w, 40);
	plan->unread = w_chance(w, 30);
	plan->churn = w_chance(w, 40);
	plan->stop_reading = w_chance(w, 30);
	plan->late_at = (int64_t)w_between(w, 0, FERRY_MS(3));
	plan->grace = (int64_t)w_between(w, FERRY_US(500), FERRY_MS(5));
	plan->net.fail_receive_ppm = w_chance(w, 15) ? (uint32_t)w_between(w, 100, 50000) : 0;
	plan->net.fail_data_ppm = w_chance(w, 15) ? (uint32_t)w_between(w, 100, 200000) : 0;
}

/* ---- making ------------------------------------------------------------------------- */

static void node_create(struct world *w, int rank)
{
	struct node *node = &w->nodes[rank];
	ferry_options given = FERRY_OPTIONS_INIT, options;
	given.flags = FERRY_NONBLOCK;
	given.spin = given.sleep_max = FERRY_NONE;
	given.handler_grace = w->plan.grace;
	*node = (struct node){ .world = w, .rank = rank };
	if (fy_options_resolve(&given, &options)) {
		w_fail(w, "options: %s", ferry_last_error());
		return;
	}
	options.receive_memory = w->plan.receive_memory; /* less than a program may say */
	options.send_memory = w->plan.send_memory;
	if (rank % 2 && w->plan.odd_max)
		options.message_max = w->plan.odd_max;
	if (w->plan.short_one_in)
		shortage_spare_port(fy_sim_port(w->sim, rank));
	if (fy_life_create(fy_sim_port(w->sim, rank), &options, w->plan.first_seq, &node->engine)) {
		w_fail(w, "fy_life_create: %s", ferry_last_error());
		return;
	}
	node->p = node->engine->progress;
	node->slow = w_chance(w, 50);
	a_start(node);
}

/* ---- memory --------------------------------------------------------------------------- */

static size_t max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* The largest message there can be: it is admitted alone. */
static size_t largest(const struct plan *plan)
{
	return (PARTS_MAX + 1) * plan->large_max + (plan->many ? 4 * FY_LENGTHS_RECORD * 40 : 0);
}

static void check_windows(struct world *w, struct node *node, uint64_t *held_p)
{
	struct fy_progress *p = node->p;
	uint64_t first = p->link.credit.first * (uint64_t)w->plan.ranks,
		 half = w->plan.receive_memory / 2;
	uint64_t windows = 0, untouched = (uint64_t)w->plan.ranks;
	size_t queued = 0;
	for (struct fy_channel *ch = p->link.all; ch; ch = ch->all_next) {
		windows += ch->credit.window;
		untouched--;
		*held_p += ch->credit.unreturned;
		queued += fy_peer_of(ch)->queue.bytes;
		if (ch->credit.unreturned > ch->credit.window + FY_BATCH_BYTES)
			w_fail(w, "rank %d holds %llu bytes of rank %d, whose window is %llu",
			       node->rank, (unsigned long long)ch->credit.unreturned, ch->rank,
			       (unsigned long long)ch->credit.window);
	}
	if (windows + untouched * p->link.credit.first + p->link.credit.pool !=
	    max_size(first, half))
		w_fail(w, "rank %d: credit was lost or made: windows %llu, pool %llu", node->rank,
		       (unsigned long long)windows, (unsigned long long)p->link.credit.pool);
	if (queued != p->queues.bytes)
		w_fail(w, "rank %d: channels have %zu bytes queued, counted are %zu", node->rank,
		       queued, p->queues.bytes);
}

static void check_memory(struct world *w, struct node *node)
{
	const struct plan *plan = &w->plan;
	struct fy_progress *p = node->p;
	uint64_t held = 0;
	check_windows(w, node, &held);
	uint64_t most =
		max_size(plan->receive_memory / 2, p->link.credit.first * (uint64_t)plan->ranks);
	uint64_t returned =
		fy_load_acquire_64(&node->engine->told.large_returned) - p->bulk.budget.seen;
	uint64_t requests = p->bulk.budget.used[0] - returned;
	if (held > most + FY_BATCH_BYTES)
		w_fail(w, "rank %d holds %llu bytes of small messages, more than %llu", node->rank,
		       (unsigned long long)held, (unsigned long long)most);
	/* who lets a rank wait holds up nobody else */
	uint64_t again = p->bulk.stalls ? 1 + (uint64_t)plan->ranks : 1;
	if (requests > again * max_size(p->bulk.budget.cap[0], largest(plan)) ||
	    p->bulk.budget.used[1] > again * max_size(p->bulk.budget.cap[1], largest(plan)))
		w_fail(w, "rank %d: large messages take %llu and %llu bytes", node->rank,
		       (unsigned long long)requests, (unsigned long long)p->bulk.budget.used[1]);
	if (p->queues.bytes > plan->send_memory + 64u * RANKS_MAX * LANES_MAX)
		w_fail(w, "rank %d: %zu bytes are queued, send_memory is %zu", node->rank,
		       p->queues.bytes, plan->send_memory);
	if (p->link.calls.open > p->link.calls.max)
		w_fail(w, "rank %d: %u calls are open, %u may be", node->rank, p->link.calls.open,
		       p->link.calls.max);
}

/* What waits in the network for a receiver was sent within somebody's credit. */
static void check_unexpected(struct world *w)
{
	const struct plan *plan = &w->plan;
	const struct fy_progress *p = w->nodes[0].p;
	uint64_t ranks = (uint64_t)plan->ranks;
	uint64_t credit = max_size(plan->receive_memory / 2, p->link.credit.first * ranks);
	uint64_t replies = p->link.calls.max * (uint64_t)(FY_REPLY_ROOM + 64);
	uint64_t large = max_size(p->bulk.budget.cap[0], largest(plan)) +
	                 max_size(p->bulk.budget.cap[1], largest(plan));
	uint64_t control = ranks * 4 * FY_BATCH_CHARGE;
	uint64_t most = ranks * (credit + replies + large + control),
		 now = fy_sim_stats(w->sim)->unexpected_bytes;
	if (now > most)
		w_fail(w, "%llu bytes wait in the network, more than all credit: %llu",
		       (unsigned long long)now, (unsigned long long)most);
}

/* ---- fences -------------------------------------------------------------------------------- */

static void join_fence(struct world *w, struct node *node)
{
	const struct plan *plan = &w->plan;
	unsigned due = (node->fences + 1) * plan->records / (plan->fences + 1);
	if (node->fences >= plan->fences || node->p->agree.kind ||
	    (w->posted < due && !a_idle(node)) || !w_chance(w, 10))
		return;
	node->fences++;
	fy_agree_join(node->p, FY_AGREE_FENCE);
	w->moved++;
}

static void see_fences(struct world *w, struct node *node)
{
	uint32_t over = node->p->agree.finished;
	if (over <= w->fences_seen || over > w->plan.fences)
		return;
	w->fences_seen = over;
	w->moved++;
	l_fence_over(w, over);
}

/* ---- close ----------------------------------------------------------------------------------- */

static bool has_outstanding(const struct node *node)
{
	struct fy_progress *p = node->p;
	return fy_lanes_have_work(p) || p->queues.first || p->link.n_pending ||
	       p->link.calls.open || !fy_bulk_is_quiet(&p->bulk) || node->kept ||
	       p->link.tasks.first;
}

static void begin_close(struct world *w, struct node *node)
{
	bool early = w->plan.early_close && w_pick(w, 2000) == 0;
	/* While others still post, what waits for the late handler would fill their credit
	 * for ever. */
	bool ready = a_idle(node) && node->late_done;
	if (node->fences < w->plan.fences || node->p->agree.kind || !(early || ready) ||
	    !w_chance(w, 20))
		return;
	w->tally.close_outstanding += has_outstanding(node);
	node->state = NODE_CLOSING;
	w->closing++;
	fy_store_release_32(&node->engine->phase, FY_CLOSING);
	fy_close_begin(node->p);
	w->moved++;
}

static void tally_channels(struct world *w, const struct node *node)
{
	const struct fy_progress *p = node->p;
	for (const struct fy_channel *ch = p->link.all; ch; ch = ch->all_next) {
		w->nodes[node->rank].spent[ch->rank] = ch->credit.spent;
		w->tally.seq_wrapped += w->plan.first_seq > ch->out.seq;
		w->tally.tag_wrapped += fy_pair_out(ch)->next_chunk > (uint64_t)p->bulk.tag_span;
		if (ch->streams_out || fy_peer_of(ch)->queue.first ||
		    fy_peer_of(ch)->undispatched || fy_pair_in(ch)->first ||
		    fy_pair_out(ch)->active || (ch->open && ch->nrecords) || ch->out.ready)
			w_fail(w, "rank %d has stopped and something of rank %d is left",
			       node->rank, ch->rank);
		if (!ch->gone && ch->bye.owed && (!ch->bye.sent || !ch->bye.seen))
			w_fail(w, "rank %d has stopped without the goodbye of rank %d", node->rank,
			       ch->rank);
	}
}

static void tally_node(struct world *w, const struct node *node)
{
	const ferry_stats *s = &node->engine->totals.last;
	struct tally *t = &w->tally;
	t->lane_full += node->engine->pressure.lane_full;
	t->credit_out += s->credit_out;
	t->channel_full += s->channel_full;
	t->grants_waited += s->grants_waited;
	t->dropped += s->dropped;
	t->late_replies += s->late_replies;
	t->refused += s->refused;
	if (s->malformed || s->kept)
		w_fail(w, "rank %d: %llu malformed batches, %llu buffers kept", node->rank,
		       (unsigned long long)s->malformed, (unsigned long long)s->kept);
}

static void stop(struct world *w, struct node *node)
{
	tally_channels(w, node);
	if (node->p->link.calls.open || node->p->bulk.n_out || node->p->bulk.landing.first)
		w_fail(w, "rank %d has stopped with %u calls and %u transfers under way",
		       node->rank, node->p->link.calls.open, node->p->bulk.n_out);
	a_leave(node);
	int status = fy_life_destroy(node->engine);
	if (status)
		w_fail(w, "rank %d: close: %s", node->rank, ferry_strname(status));
	node->p = NULL;
	node->state = NODE_STOPPED;
	w->stopped++;
	w->moved++;
	tally_node(w, node);
	node->dropped = node->engine->totals.last.dropped;
	a_end(node);
}

/* Whatever was delivered had been paid for: a record's header and what keeping it costs. */
static void check_spent(struct world *w)
{
	static uint64_t due[RANKS_MAX][RANKS_MAX];
	memset(due, 0, sizeof due);
	for (const struct rec *r = w->recs; r; r = r->next)
		due[r->src][r->flush ? r->src : r->dst] +=
			r->delivered * (sizeof(struct fy_record) + FY_MESSAGE_CHARGE);
	for (int from = 0; from < w->plan.ranks; from++)
		for (int to = 0; to < w->plan.ranks; to++)
			if (w->nodes[from].spent[to] < due[from][to])
				w_fail(w, "rank %d spent %llu of rank %d's credit, for %llu bytes",
				       from, (unsigned long long)w->nodes[from].spent[to], to,
				       (unsigned long long)due[from][to]);
}

static void check_bodies(struct world *w, const struct node *node)
{
	const ferry *e = node->engine;
	for (int to = 0; to < e->size; to++)
		if (e->room.bodies_to[to])
			w_fail(w, "rank %d has sent everything and holds %u KiB for rank %d",
			       node->rank, e->room.bodies_to[to], to);
	if (e->room.bodies)
		w_fail(w, "rank %d has sent everything and holds %llu bytes", node->rank,
		       (unsigned long long)e->room.bodies);
}

/* After everything: what was charged came back, and the counts agree. */
static void check_end(struct world *w)
{
	fy_thread_forget_lanes(); /* what ferry_close does for its thread */
	if (fy_sim_outstanding(w->sim, FY_PORT_ANY))
		w_fail(w, "%zu requests are left in the network",
		       fy_sim_outstanding(w->sim, FY_PORT_ANY));
	for (int i = 0; i < w->plan.ranks; i++) {
		struct node *node = &w->nodes[i];
		if (node->engine->mailbox.bytes)
			w_fail(w, "rank %d: the mailbox is empty and has %llu bytes", i,
			       (unsigned long long)node->engine->mailbox.bytes);
		check_bodies(w, node);
		if (node->engine->refs != 1 + l_blanks(w, i))
			w_fail(w, "rank %d: %u references of the engine are left", i,
			       node->engine->refs);
		fy_engine_release(node->engine);
		node->engine = NULL;
	}
	check_spent(w);
	const struct fy_sim_stats *s = fy_sim_stats(w->sim);
	w->tally.refused_sends = s->refused;
	w->tally.failed_chunks = s->failed;
	w->tally.rendezvous = s->rendezvous;
	w->tally.overtaken = s->overtaken;
}

/* ---- rounds ------------------------------------------------------------ */

/* What the loop does before it sleeps: lanes leave the list, and a post comes just then. */
static void nearly_sleep(struct world *w, struct node *node)
{
	for (int i = 0; i < 9; i++) {
		fy_lanes_delist(node->p);
		if (i == 8 && w_chance(w, 50))
			a_act(node, node->lanes[w_pick(w, (uint32_t)w->plan.lanes)]);
		fy_lanes_relist(node->p);
	}
}

static bool step(struct world *w, struct node *node)
{
	bool user_code = !w_chance(w, w->plan.borrowed);
	shortage_resume();
	bool worked = fy_step_once(node->p, user_code);
	shortage_pause();
	w->tally.deferred += node->p->link.tasks.first != NULL;
	if (!worked && w_chance(w, 3))
		nearly_sleep(w, node);
	return worked;
}

static bool visit(struct world *w, struct node *node)
{
	bool worked = false;
	if (!node->late_done && (node->state == NODE_OPEN || w->reads_again) &&
	    fy_sim_now(w->sim) >= w->plan.late_at)
		a_register_late(node);
	for (int i = 0; i < w->plan.lanes; i++)
		if (w_chance(w, 50))
			a_act(node, node->lanes[i]);
	if (!node->slow || w_chance(w, w->plan.slow))
		worked = step(w, node);
	if (node->state == NODE_OPEN) {
		join_fence(w, node);
		begin_close(w, node);
	}
	see_fences(w, node);
	if (node->p->close.stopped)
		stop(w, node);
	return worked;
}

static void pass_time(struct world *w, bool worked)
{
	if (worked && w_chance(w, 50))
		return;
	if (!fy_sim_advance(w->sim) && !worked)
		fy_sim_advance_to(w->sim, fy_sim_now(w->sim) + TICK);
	if (*fy_sim_misuse(w->sim))
		w_fail(w, "%s", fy_sim_misuse(w->sim));
}

static void describe(struct world *w)
{
	const struct plan *plan = &w->plan;
	printf("# plan: memory %zu and %zu, large %u%% to %zu, many %u, calls %u%%, borrowed %u%%, "
	       "slow %u, reading %u%%, hoard %u%%, cancels %u%%, fences %u, any %d, early %d, "
	       "unread %d, churn %d, stop %d, refuse %u\n",
	       plan->receive_memory, plan->send_memory, plan->large, plan->large_max, plan->many,
	       plan->calls, plan->borrowed, plan->slow, plan->reading, plan->hoard, plan->cancels,
	       plan->fences, plan->any_readers, plan->early_close, plan->unread, plan->churn,
	       plan->stop_reading, plan->net.refuse_ppm);
	for (int i = 0; i < w->plan.ranks; i++) {
		struct node *node = &w->nodes[i];
		struct fy_progress *p = node->p;
		if (!p)
			continue;
		printf("# rank %d: state %d, agreement %u kind %u round %u, issued %llu done %llu, "
		       "calls %u, pending %u, out %u, waiting %d%d%d, landing %d, tasks %d, stash "
		       "%d, kept %d, mail %llu, large %llu %llu, queued %zu\n",
		       i, node->state, p->agree.n, p->agree.kind, p->agree.round,
		       (unsigned long long)(p->link.counts.issued[0] + p->link.counts.issued[1]),
		       (unsigned long long)(p->link.counts.done[0] + p->link.counts.done[1] +
		                            fy_engine_handled(node->engine)),
		       p->link.calls.open, p->link.n_pending, p->bulk.n_out,
		       p->bulk.grant_queue.first[0] != NULL, p->bulk.grant_queue.first[1] != NULL,
		       p->bulk.grant_queue.first[2] != NULL, p->bulk.landing.first != NULL,
		       p->link.tasks.first != NULL, node->stash != NULL, node->kept != NULL,
		       (unsigned long long)node->engine->mailbox.bytes,
		       (unsigned long long)p->bulk.budget.used[0],
		       (unsigned long long)p->bulk.budget.used[1], p->queues.bytes);
		for (struct fy_channel *ch = p->link.all; ch; ch = ch->all_next)
			printf("#   to %d: spent %llu of %llu, window %llu held %llu spent_in %llu "
			       "sent %llu, queued %zu full %d, ready %u flight %u, pending %d "
			       "streams %d %d, hungry %d %d %d, gone %d, bye %d %d %d\n",
			       ch->rank, (unsigned long long)ch->credit.spent,
			       (unsigned long long)ch->credit.limit,
			       (unsigned long long)ch->credit.window,
			       (unsigned long long)ch->credit.unreturned,
			       (unsigned long long)ch->credit.spent_in,
			       (unsigned long long)ch->credit.limit_sent,
			       fy_peer_of(ch)->queue.bytes, node->engine->full[ch->rank],
			       ch->out.n_ready, ch->out.n_flight, ch->pending.first != NULL,
			       ch->streams_out != NULL, ch->streams_in != NULL, ch->credit.hungry,
			       ch->credit.hungry_told, ch->credit.peer_hungry, ch->gone,
			       ch->bye.owed, ch->bye.sent, ch->bye.seen);
	}
}

/* For so long that it is no accident, or, the whole of it, that it hangs. */
static bool still_for(const struct world *w, unsigned quarters)
{
	uint64_t rounds = w->rounds - w->rounds_moved, least = STILL_ROUNDS / 4 * quarters;
	return rounds >= least && (fy_sim_now(w->sim) - w->moved_at >= STILL_NS / 4 * quarters ||
	                           rounds >= 10 * least);
}

/* Posts that wait for room, which it may be that only a reader can make. */
static void read_again(struct world *w)
{
	for (int i = 0; i < w->plan.ranks && !w->reads_again; i++)
		w->reads_again = w->nodes[i].state == NODE_OPEN && a_held_up(&w->nodes[i]);
	w->tally.read_again += w->reads_again;
}

/* A message of a thousand parts takes a slow rank seconds: what comes in of it is movement, too. */
static uint64_t all_movement(const struct world *w)
{
	uint64_t moved = w->moved;
	for (int i = 0; i < w->plan.ranks; i++)
		for (const struct fy_inbound *in = w->nodes[i].p ? w->nodes[i].p->bulk.landing.first
		                                                 : NULL;
		     in; in = in->next)
			moved += (uint64_t)in->moved_at;
	return moved;
}

static void watch_for_hangs(struct world *w)
{
	uint64_t moved = all_movement(w);
	if (moved != w->moved_seen) {
		w->moved_seen = moved;
		w->moved_at = fy_sim_now(w->sim);
		w->rounds_moved = w->rounds;
	}
	if (!w->reads_again && still_for(w, 1))
		read_again(w);
	if (!still_for(w, 4))
		return;
	w_fail(w,
	       "nothing happens any more: %d of %d ranks have stopped, %u of %u records are posted",
	       w->stopped, w->plan.ranks, w->posted, w->plan.records);
	describe(w);
}

static void round_of_all(struct world *w)
{
	int first = (int)w_pick(w, (uint32_t)w->plan.ranks);
	bool worked = false, look = w->rounds++ % 16 == 0;
	for (int i = 0; i < w->plan.ranks; i++) {
		struct node *node = &w->nodes[(first + i) % w->plan.ranks];
		if (node->state == NODE_STOPPED)
			continue;
		worked |= visit(w, node);
		if (look && node->p)
			check_memory(w, node);
	}
	if (look && w->nodes[0].p)
		check_unexpected(w);
	pass_time(w, worked);
	watch_for_hangs(w);
}

/* ---- a run ------------------------------------------------------------- */

/* How often what happened, and the number that chance has come to: a round more or less is seen. */
static void note_end(struct world *w)
{
	const uint64_t *tally = (const uint64_t *)&w->tally;
	for (size_t i = 0; i < sizeof w->tally / sizeof *tally; i++)
		fy_sim_note(w->sim, FY_PORT_ANY, tally[i]);
	fy_sim_note(w->sim, FY_PORT_ANY, w->random);
}

static bool run(struct world *w)
{
	w->sim = fy_sim_create(w->plan.ranks, w->seed, &w->plan.net);
	if (!w->sim)
		w_fail(w, "no memory for a network");
	for (int i = 0; i < w->plan.ranks && !w_failed(w); i++)
		node_create(w, i);
	shortage_pause(); /* but for steps */
	shortage_begin_random(w->seed, w->plan.short_one_in);
	while (!w_failed(w) && w->stopped < w->plan.ranks)
		round_of_all(w);
	w->tally.no_memory = shortage_end();
	shortage_resume();
	if (w_failed(w))
		return false;
	check_end(w);
	if (!w_failed(w))
		l_check(w);
	note_end(w);
	return !w_failed(w);
}

static void begin(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof *w);
	w->seed = seed;
	w->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

bool w_run_plan(struct world *w, uint64_t seed, const struct plan *plan)
{
	begin(w, seed);
	w->plan = *plan;
	return run(w);
}

bool w_run(struct world *w, uint64_t seed)
{
	begin(w, seed);
	w_plan(w, &w->plan);
	return run(w);
}

/* After a failure the engines are left as they are. */
void w_free(struct world *w)
{
	if (w_failed(w))
		return;
	l_free(w);
	fy_sim_destroy(w->sim);
}
