/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design notes.
 *
 * Every send and every receive is an `op`. What is to happen later is an event
 * in a heap ordered by (time, serial number); fy_sim_advance() takes them out.
 * The life of the ops:
 *
 *   send    started ─ ARRIVE ─┬─ matched ──────────────┬─ (eager) ─ the receive lands
 *                             └─ unexpected ─ matched ─┴─ (rendezvous) waits until its receiver
 *                                                        progresses ─ TRANSFER ─ both land
 *           eager: SENT at any time after the start, before or after the arrival
 *   receive posted ─ matched ─ LANDED, later; or CANCEL, or FAIL, while it is still posted
 *
 * What holds:
 *  - Messages with the same (from, to, tag) arrive in the order of their sends:
 *    a `link` of such a triple knows the time of the latest arrival, and lives
 *    while one of its messages is on its way. Nothing else is ordered.
 *  - The bytes of a send are read at the last moment that MPI could read them:
 *    an eager one's at its arrival or at SENT, whichever is first, a rendezvous'
 *    at TRANSFER. They are compared with a checksum taken at the start, there
 *    and once more when the send is reported done, so that a buffer that is
 *    reused too early is noticed wherever in that span it was.
 *  - The bytes of a receive are written only when it is done. Until then its
 *    first bytes hold a pattern, which must not change.
 *  - An op is freed when nobody refers to it: its request (until reported), each
 *    event, a queue of messages, and the partner that it was matched with.
 *  - A killed rank's memory is not touched: its ops are orphans.
 *  - Nothing is allocated but at a start, so that only a start can fail: the
 *    heap has room for three events an op from then on.
 *  - Nothing is allocated per pair of ranks: what differs between pairs is
 *    derived from the seed.
 *  - The digest knows ops by their numbers and bytes by their checksum, never
 *    an address. What happens to an op is in it at the moment when it happens.
 */
#include "sim/net/port_sim.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "ferry.h"
#include "port/port.h"

#define BUCKETS 8   /* queues of a rank, by tag */
#define SCRIBBLE 64 /* bytes of a posted receive that hold the pattern */
#define PATTERN 0xEE
#define BELL_WORDS 16 /* one doorbell in 64 bytes */

enum op_kind { OP_SEND, OP_RECV };
enum event_kind {
	EVENT_ARRIVE,
	EVENT_SENT,
	EVENT_TRANSFER,
	EVENT_LANDED,
	EVENT_CANCEL,
	EVENT_FAIL
};
/* What is in the digest beside the events. */
enum trace {
	TRACE_STARTED = EVENT_FAIL + 1,
	TRACE_MATCHED,
	TRACE_UNEXPECTED,
	TRACE_FINISHED,
	TRACE_REPORTED, /* the engine was told that it is done */
	TRACE_CANCEL,   /* the engine asked for it */
	TRACE_LOST,
	TRACE_REFUSED,
	TRACE_AGREE,
	TRACE_CLOSE,
	TRACE_NOTE
};

/* The messages of one (from, to, tag) that are on their way. */
struct link {
	struct link *next;
	int from, to, tag;
	unsigned inflight;
	int64_t last; /* the latest arrival that was given out */
};

struct op {
	TAILQ_ENTRY(op) all;
	TAILQ_ENTRY(op) queue; /* posted, unexpected, held, or waiting */
	struct rank *owner;
	struct link *link;   /* of a send on its way */
	struct op *partner;  /* the other side, once matched */
	void *data;          /* the caller's */
	unsigned char *copy; /* an eager send's own bytes */
	size_t nbytes;
	size_t got;       /* of a receive */
	uint64_t number;  /* in the order of starts, all ranks together */
	uint64_t sum;     /* checksum of a send's bytes at its start */
	uint64_t matched; /* of a receive: its place in the order of matching at this rank */
	unsigned refs;
	int peer, tag;
	int status, source;
	enum op_kind kind;
	bool rendezvous;
	bool copied; /* the caller's bytes were read */
	bool posted; /* is in a queue of posted receives */
	bool canceling;
	bool orphan; /* the owner was killed */
	bool done;
};

TAILQ_HEAD(ops, op);

struct event {
	int64_t at;
	uint64_t serial;
	struct op *op;
	enum event_kind kind;
};

struct rank {
	fy_port port; /* first: a port is cast to its rank */
	fy_sim *sim;
	struct ops posted[BUCKETS];
	struct ops unexpected[BUCKETS];
	struct ops waiting; /* matched rendezvous sends to this rank, until it progresses */
	struct rank *next_touched;
	size_t outstanding;
	uint64_t matched; /* receives matched so far */
	uint64_t landed;  /* the highest `matched` that is done */
	unsigned refuse;  /* so many sends are refused */
	unsigned refuse_receives;
	unsigned refuse_cancels; /* so many cancels do nothing */
	struct fault {
		unsigned skip, count;
	} faults[2];         /* of data: sends, receives */
	struct fault losses; /* of receives for tag 0 */
	unsigned agreed;     /* rounds of agreement taken part in */
	int offered;         /* what it said about its open, 0 until then */
	char offer[FY_SENTENCE];
	bool touched;
	bool dead;
	bool closed;
};

/* What the first rank brought to an agreement. */
struct round {
	struct round *next;
	size_t nbytes;
	int rank;
	unsigned char bytes[];
};

struct cut {
	int from, to;
};

struct fy_sim {
	struct fy_sim_options options;
	struct fy_sim_stats stats;
	uint64_t seed, random;
	uint64_t digest; /* of all that happened so far */
	uint64_t started;
	int64_t now;
	struct event *heap;
	size_t events, heap_room;
	uint64_t serial;
	struct link **links; /* a hash table, chained */
	size_t nlinks, link_room;
	struct ops live; /* every op */
	size_t nlive;
	struct ops held; /* messages that met a cut */
	struct cut *cuts;
	size_t ncuts;
	struct rank *touched;
	struct round *rounds;
	uint32_t *bells;
	int nranks;
	struct rank *ranks;
	char error[160]; /* of the last call that failed */
	char misuse[200];
};

/* ---- chance -------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* splitmix64 */
static uint64_t draw(fy_sim *sim)
{
	sim->random += UINT64_C(0x9e3779b97f4a7c15);
	return mix(sim->random);
}

/* 0 to `most`, both included. */
static int64_t draw_time(fy_sim *sim, int64_t most)
{
	return most <= 0 ? 0 : (int64_t)(draw(sim) % ((uint64_t)most + 1));
}

static bool chance(fy_sim *sim, uint32_t ppm)
{
	return ppm != 0 && draw(sim) % 1000000 < ppm;
}

/* Of an ordered pair: some reach all of delay_max, most a part. The same for
 * the whole run, so that one pair is slow and another fast. */
static int64_t draw_delay(fy_sim *sim, int from, int to)
{
	uint64_t pair = mix(sim->seed ^ mix(((uint64_t)(uint32_t)from << 32) | (uint32_t)to));
	int64_t reach = (sim->options.delay_max - sim->options.delay_min) >> (2 * (pair & 3));
	return sim->options.delay_min + draw_time(sim, reach);
}

/* Mostly soon, often late. */
static int64_t draw_late(fy_sim *sim)
{
	int64_t most = sim->options.late_max;
	return draw_time(sim, (draw(sim) & 1) != 0 ? most : most / 16);
}

static bool is_due(struct fault *fault)
{
	if (fault->count == 0)
		return false;
	if (fault->skip > 0) {
		fault->skip--;
		return false;
	}
	fault->count--;
	return true;
}

/* Does this send or receive of data fail? */
static bool data_fails(fy_sim *sim, struct fault *fault, int tag)
{
	return tag != FY_TAG_BATCH && (is_due(fault) || chance(sim, sim->options.fail_data_ppm));
}

static bool receive_fails(struct rank *rank, int tag)
{
	if (tag == FY_TAG_BATCH)
		return is_due(&rank->losses);
	return data_fails(rank->sim, &rank->faults[1], tag);
}

/* What MPI says of an operation that failed is worth nothing. */
static void spoil(struct op *recv, int status)
{
	recv->owner->sim->stats.failed++;
	recv->status = status;
	recv->source = FY_PORT_ANY;
	recv->got = 0;
}

/* ---- the digest ---------------------------------------------------------- */

static void digest_word(fy_sim *sim, uint64_t word)
{
	sim->digest = mix((sim->digest + UINT64_C(0x9e3779b97f4a7c15)) ^ word);
}

static void digest_moment(fy_sim *sim, unsigned what, int rank)
{
	digest_word(sim, (uint64_t)sim->now);
	digest_word(sim, (uint64_t)what << 32 | (uint32_t)rank);
}

static void trace(fy_sim *sim, unsigned what, const struct op *op)
{
	digest_moment(sim, what, op->owner->port.rank);
	digest_word(sim, op->number << 1 | op->kind);
	digest_word(sim, (uint64_t)(uint32_t)op->peer << 32 | (uint32_t)op->tag);
	digest_word(sim, op->nbytes);
	digest_word(sim, op->sum);
	digest_word(sim, (uint64_t)(uint32_t)op->source << 32 | (uint32_t)op->status);
	digest_word(sim, op->got);
}

void fy_sim_note(fy_sim *sim, int rank, uint64_t what)
{
	digest_moment(sim, TRACE_NOTE, rank);
	digest_word(sim, what);
}

/* ---- misuse -------------------------------------------------------------- */

static void misused(fy_sim *sim, const char *what, const struct rank *rank, const struct op *op)
{
	snprintf(sim->misuse, sizeof sim->misuse,
	         "rank %d at %lld ns: %s (peer %d, tag %d, %zu bytes)", rank->port.rank,
	         (long long)sim->now, what, op != NULL ? op->peer : -1, op != NULL ? op->tag : -1,
	         op != NULL ? op->nbytes : (size_t)0);
	sim->stats.misuses++;
	if (sim->options.count_misuse)
		return;
	fprintf(stderr, "port_sim: misuse: %s\n", sim->misuse);
	abort();
}

static uint64_t checksum(const void *data, size_t nbytes)
{
	const unsigned char *bytes = data;
	uint64_t sum = nbytes, word;
	for (; nbytes >= sizeof word; bytes += sizeof word, nbytes -= sizeof word) {
		memcpy(&word, bytes, sizeof word);
		sum = (sum ^ word) * UINT64_C(0x9fb21c651e98df25);
		sum ^= sum >> 32;
	}
	for (; nbytes > 0; bytes++, nbytes--)
		sum = (sum ^ *bytes) * UINT64_C(0x100000001b3);
	return sum;
}

static size_t scribbled(const struct op *op)
{
	return op->nbytes < SCRIBBLE ? op->nbytes : SCRIBBLE;
}

static void scribble(struct op *op)
{
	if (op->nbytes > 0)
		memset(op->data, PATTERN, scribbled(op));
}

static void check_scribble(fy_sim *sim, const struct op *op)
{
	const unsigned char *bytes = op->data;
	for (size_t i = 0; i < scribbled(op); i++)
		if (bytes[i] != PATTERN) {
			misused(sim, "the memory of a receive was written before it was done",
			        op->owner, op);
			return;
		}
}

static void check_sum(fy_sim *sim, const struct op *op)
{
	if (checksum(op->data, op->nbytes) != op->sum)
		misused(sim, "the memory of a send was changed before it was done", op->owner, op);
}

/* ---- ops ----------------------------------------------------------------- */

static void op_unref(fy_sim *sim, struct op *op)
{
	if (--op->refs > 0)
		return;
	TAILQ_REMOVE(&sim->live, op, all);
	sim->nlive--;
	free(op->copy);
	free(op);
}

/* Three events for each op that lives can be pushed without a failure. */
static bool heap_reserve(fy_sim *sim, size_t ops)
{
	if (3 * ops <= sim->heap_room)
		return true;
	size_t room = sim->heap_room != 0 ? 2 * sim->heap_room : 64;
	struct event *heap = realloc(sim->heap, room * sizeof *heap);
	if (heap == NULL)
		return false;
	sim->heap = heap;
	sim->heap_room = room;
	return true;
}

static struct op *op_create(struct rank *rank, enum op_kind kind, int peer, int tag, void *data,
                            size_t nbytes)
{
	fy_sim *sim = rank->sim;
	struct op *op = heap_reserve(sim, sim->nlive + 1) ? calloc(1, sizeof *op) : NULL;
	if (op == NULL)
		return NULL;
	op->owner = rank;
	op->kind = kind;
	op->peer = peer;
	op->tag = tag;
	op->data = data;
	op->nbytes = nbytes;
	op->refs = 1;
	op->source = FY_PORT_ANY;
	op->number = sim->started++;
	TAILQ_INSERT_TAIL(&sim->live, op, all);
	sim->nlive++;
	return op;
}

static void touch(struct rank *rank)
{
	fy_sim *sim = rank->sim;
	if (rank->touched)
		return;
	rank->touched = true;
	rank->next_touched = sim->touched;
	sim->touched = rank;
}

static void op_finish(struct op *op, int status)
{
	op->done = true;
	op->status = status;
	trace(op->owner->sim, TRACE_FINISHED, op);
	touch(op->owner);
}

/* ---- events -------------------------------------------------------------- */

static bool earlier(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->serial < b->serial;
}

static int64_t coarse(const fy_sim *sim, int64_t at)
{
	int64_t grain = sim->options.grain;
	return (at + grain - 1) / grain * grain;
}

/* Takes a reference to `op`. */
static void schedule(fy_sim *sim, enum event_kind kind, struct op *op, int64_t at)
{
	struct event event = { coarse(sim, at), sim->serial++, op, kind };
	size_t i = sim->events++;
	op->refs++;
	for (; i > 0 && earlier(&event, &sim->heap[(i - 1) / 2]); i = (i - 1) / 2)
		sim->heap[i] = sim->heap[(i - 1) / 2];
	sim->heap[i] = event;
}

static struct event take_event(fy_sim *sim)
{
	struct event first = sim->heap[0], last = sim->heap[--sim->events];
	size_t i = 0, child;
	while ((child = 2 * i + 1) < sim->events) {
		if (child + 1 < sim->events && earlier(&sim->heap[child + 1], &sim->heap[child]))
			child++;
		if (!earlier(&sim->heap[child], &last))
			break;
		sim->heap[i] = sim->heap[child];
		i = child;
	}
	sim->heap[i] = last;
	return first;
}

/* ---- links: order within (from, to, tag) --------------------------------- */

static struct link **link_bucket(const fy_sim *sim, int from, int to, int tag)
{
	uint64_t key = mix(((uint64_t)(uint32_t)from << 32) | (uint32_t)to) ^ (uint32_t)tag;
	return &sim->links[mix(key) & (sim->link_room - 1)];
}

static bool links_grow(fy_sim *sim)
{
	struct link **old = sim->links, *link;
	size_t old_room = sim->link_room;
	struct link **table = calloc(2 * old_room, sizeof(struct link *));
	if (table == NULL)
		return false;
	sim->links = table;
	sim->link_room = 2 * old_room;
	for (size_t i = 0; i < old_room; i++)
		while ((link = old[i]) != NULL) {
			struct link **bucket = link_bucket(sim, link->from, link->to, link->tag);
			old[i] = link->next;
			link->next = *bucket;
			*bucket = link;
		}
	free(old);
	return true;
}

static struct link *link_get(fy_sim *sim, int from, int to, int tag)
{
	if (sim->nlinks >= sim->link_room && !links_grow(sim))
		return NULL;
	struct link **bucket = link_bucket(sim, from, to, tag), *link;
	for (link = *bucket; link != NULL; link = link->next)
		if (link->from == from && link->to == to && link->tag == tag)
			return link;
	link = calloc(1, sizeof *link);
	if (link == NULL)
		return NULL;
	*link = (struct link){ .next = *bucket, .from = from, .to = to, .tag = tag };
	*bucket = link;
	sim->nlinks++;
	return link;
}

static void link_leave(fy_sim *sim, struct op *op)
{
	struct link *link = op->link, **p;
	op->link = NULL;
	if (--link->inflight > 0)
		return;
	for (p = link_bucket(sim, link->from, link->to, link->tag); *p != link; p = &(*p)->next)
		;
	*p = link->next;
	sim->nlinks--;
	free(link);
}

static bool link_join(fy_sim *sim, struct op *send)
{
	send->link = link_get(sim, send->owner->port.rank, send->peer, send->tag);
	if (send->link == NULL)
		return false;
	send->link->inflight++;
	return true;
}

/* The message is on its way, behind those that left before. */
static void depart(fy_sim *sim, struct op *send)
{
	struct link *link = send->link;
	int64_t at = sim->now + draw_delay(sim, link->from, link->to);
	if (at < link->last)
		at = link->last;
	link->last = at;
	schedule(sim, EVENT_ARRIVE, send, at);
}

/* ---- matching ------------------------------------------------------------ */

static bool fits(const struct op *recv, int from, int tag)
{
	return recv->tag == tag && (recv->peer == FY_PORT_ANY || recv->peer == from);
}

static void take_copy(fy_sim *sim, struct op *send)
{
	if (send->copied || send->rendezvous)
		return;
	send->copied = true;
	check_sum(sim, send);
	if (send->nbytes > 0)
		memcpy(send->copy, send->data, send->nbytes);
}

/* What is lost with MPI may still end well for its sender. */
static void lose(fy_sim *sim, struct op *send)
{
	sim->stats.lost++;
	trace(sim, TRACE_LOST, send);
	if (send->rendezvous && !send->done && !send->orphan && draw(sim) % 4 == 0)
		schedule(sim, EVENT_SENT, send, sim->now + draw_late(sim));
}

/* Takes over the caller's reference to `send`. */
static void match(fy_sim *sim, struct op *recv, struct op *send)
{
	struct rank *rank = recv->owner;
	recv->matched = ++rank->matched;
	trace(sim, TRACE_MATCHED, recv);
	trace(sim, TRACE_MATCHED, send);
	if (!send->rendezvous) {
		recv->partner = send;
		schedule(sim, EVENT_LANDED, recv, sim->now + draw_late(sim));
		return;
	}
	send->partner = recv;
	recv->refs++;
	TAILQ_INSERT_TAIL(&rank->waiting, send, queue);
	touch(rank);
}

static void unexpected_add(fy_sim *sim, struct rank *rank, struct op *send)
{
	struct fy_sim_stats *stats = &sim->stats;
	trace(sim, TRACE_UNEXPECTED, send);
	stats->unexpected++;
	if (++stats->unexpected_now > stats->unexpected_peak)
		stats->unexpected_peak = stats->unexpected_now;
	if (!send->rendezvous)
		stats->unexpected_bytes += send->nbytes;
	if (stats->unexpected_bytes > stats->unexpected_bytes_peak)
		stats->unexpected_bytes_peak = stats->unexpected_bytes;
	TAILQ_INSERT_TAIL(&rank->unexpected[send->tag % BUCKETS], send, queue);
}

static void unexpected_take(fy_sim *sim, struct rank *rank, struct op *send)
{
	sim->stats.unexpected_now--;
	if (!send->rendezvous)
		sim->stats.unexpected_bytes -= send->nbytes;
	TAILQ_REMOVE(&rank->unexpected[send->tag % BUCKETS], send, queue);
}

static void unpost(struct op *recv)
{
	TAILQ_REMOVE(&recv->owner->posted[recv->tag % BUCKETS], recv, queue);
	recv->posted = false;
}

static struct op *find_posted(struct rank *rank, int from, int tag)
{
	struct op *recv;
	TAILQ_FOREACH(recv, &rank->posted[tag % BUCKETS], queue)
	if (fits(recv, from, tag))
		return recv;
	return NULL;
}

static struct op *find_unexpected(struct rank *rank, const struct op *recv)
{
	struct op *send;
	TAILQ_FOREACH(send, &rank->unexpected[recv->tag % BUCKETS], queue)
	if (fits(recv, send->owner->port.rank, send->tag))
		return send;
	return NULL;
}

/* ---- what happens at an event -------------------------------------------- */

static bool is_cut(const fy_sim *sim, int from, int to)
{
	for (size_t i = 0; i < sim->ncuts; i++)
		if (sim->cuts[i].from == from && sim->cuts[i].to == to)
			return true;
	return false;
}

static void deliver(fy_sim *sim, struct op *send)
{
	struct rank *to = &sim->ranks[send->peer];
	struct op *recv;
	if (send->orphan || to->dead) {
		lose(sim, send);
		return;
	}
	send->refs++; /* of the queue that it goes to, or of its receive */
	take_copy(sim, send);
	sim->stats.arrived++;
	sim->stats.bytes += send->nbytes;
	recv = find_posted(to, send->owner->port.rank, send->tag);
	if (recv == NULL) {
		unexpected_add(sim, to, send);
		return;
	}
	unpost(recv);
	match(sim, recv, send);
}

static void on_arrive(fy_sim *sim, struct op *send)
{
	link_leave(sim, send);
	if (is_cut(sim, send->owner->port.rank, send->peer)) {
		send->refs++;
		TAILQ_INSERT_TAIL(&sim->held, send, queue);
		return;
	}
	deliver(sim, send);
}

static void on_sent(fy_sim *sim, struct op *send)
{
	if (send->orphan || send->done)
		return;
	take_copy(sim, send);
	op_finish(send, send->status);
}

/* The bytes of a message are in the receiver's memory from here on. */
static void land(fy_sim *sim, struct op *recv, const struct op *send, const void *bytes)
{
	check_scribble(sim, recv);
	if (send->nbytes > recv->nbytes) {
		sim->stats.truncated++;
		recv->status = FERRY_ETRUNC;
		return;
	}
	recv->source = send->owner->port.rank;
	recv->got = send->nbytes;
	if (send->nbytes > 0)
		memcpy(recv->data, bytes, send->nbytes);
}

static void on_transfer(fy_sim *sim, struct op *send)
{
	struct op *recv = send->partner;
	send->partner = NULL;
	if (recv->orphan) {
		lose(sim, send);
	} else if (!send->orphan) { /* of a killed sender the receive never ends */
		check_sum(sim, send);
		land(sim, recv, send, send->data);
		schedule(sim, EVENT_SENT, send, sim->now + draw_late(sim));
		schedule(sim, EVENT_LANDED, recv, sim->now + draw_late(sim));
	}
	op_unref(sim, recv);
}

static void on_landed(fy_sim *sim, struct op *recv)
{
	struct op *send = recv->partner;
	struct rank *rank = recv->owner;
	recv->partner = NULL;
	if (!recv->orphan) {
		if (send != NULL)
			land(sim, recv, send, send->copy);
		if (recv->matched < rank->landed)
			sim->stats.overtaken++;
		else
			rank->landed = recv->matched;
		if (recv->status == FERRY_OK && receive_fails(rank, recv->tag))
			spoil(recv, FERRY_EMPI);
		op_finish(recv, recv->status);
	}
	if (send != NULL)
		op_unref(sim, send);
}

/* It fails though nothing came, unless something came just now. */
static void on_fail(fy_sim *sim, struct op *recv)
{
	if (recv->orphan || !recv->posted)
		return;
	unpost(recv);
	check_scribble(sim, recv);
	spoil(recv, FERRY_EMPI);
	op_finish(recv, FERRY_EMPI);
}

static void on_cancel(fy_sim *sim, struct op *recv)
{
	if (recv->orphan || recv->done)
		return;
	if (!recv->posted) {
		sim->stats.cancel_lost++;
		return;
	}
	unpost(recv);
	sim->stats.canceled++;
	check_scribble(sim, recv);
	op_finish(recv, FERRY_ECANCELED);
}

static void happen(fy_sim *sim, struct event event)
{
	static void (*const on[])(fy_sim *, struct op *) = {
		[EVENT_ARRIVE] = on_arrive,     [EVENT_SENT] = on_sent,
		[EVENT_TRANSFER] = on_transfer, [EVENT_LANDED] = on_landed,
		[EVENT_CANCEL] = on_cancel,     [EVENT_FAIL] = on_fail,
	};
	sim->stats.events++;
	trace(sim, event.kind, event.op);
	on[event.kind](sim, event.op);
	op_unref(sim, event.op);
}

/* ---- the port ------------------------------------------------------------ */

static struct rank *rank_of(fy_port *port)
{
	return (struct rank *)port;
}

static int refuse(fy_sim *sim, const char *why, int rank, int tag, size_t nbytes)
{
	snprintf(sim->error, sizeof sim->error,
	         "the simulated network refused it: %s (rank %d, tag %d, %zu bytes)", why, rank,
	         tag, nbytes);
	digest_moment(sim, TRACE_REFUSED, rank);
	digest_word(sim, (uint32_t)tag);
	digest_word(sim, nbytes);
	return FERRY_EMPI;
}

static const char *wrong_start(const struct rank *rank, int tag, size_t nbytes)
{
	if (rank->dead)
		return "this rank was killed";
	if (rank->closed)
		return "this port was closed";
	if (tag < 0 || tag > rank->port.tag_max)
		return "there is no such tag";
	if (nbytes > rank->port.chunk_max)
		return "it is longer than chunk_max";
	return NULL;
}

static const char *wrong_send(struct rank *rank, int to, int tag, size_t nbytes)
{
	fy_sim *sim = rank->sim;
	const char *why = wrong_start(rank, tag, nbytes);
	if (why != NULL)
		return why;
	if (to < 0 || to >= sim->nranks)
		return "there is no such rank";
	if (rank->refuse == 0 && !chance(sim, sim->options.refuse_ppm))
		return NULL;
	if (rank->refuse > 0)
		rank->refuse--;
	sim->stats.refused++;
	return "it was told to";
}

/* When an eager send ends does not depend on its arrival. One to a rank that is
 * gone may never end. */
static void send_schedule(fy_sim *sim, struct op *send)
{
	if (chance(sim, sim->options.fail_ppm) ||
	    data_fails(sim, &send->owner->faults[0], send->tag)) {
		sim->stats.failed++;
		send->status = FERRY_EMPI;
		link_leave(sim, send);
		schedule(sim, EVENT_SENT, send, sim->now + draw_late(sim));
		return;
	}
	depart(sim, send);
	if (send->rendezvous)
		sim->stats.rendezvous++;
	else if (!sim->ranks[send->peer].dead || draw(sim) % 4 != 0)
		schedule(sim, EVENT_SENT, send, sim->now + draw_late(sim));
}

static void started(struct rank *rank, struct op *op, fy_request *request)
{
	rank->outstanding++;
	trace(rank->sim, TRACE_STARTED, op);
	*request = (fy_request){ .handle = op, .source = FY_PORT_ANY };
}

static struct op *send_create(struct rank *rank, int to, int tag, const void *data, size_t nbytes)
{
	fy_sim *sim = rank->sim;
	struct op *op = op_create(rank, OP_SEND, to, tag, (void *)data, nbytes);
	if (op == NULL)
		return NULL;
	op->rendezvous = nbytes > sim->options.eager_max;
	if (!op->rendezvous)
		op->copy = malloc(nbytes != 0 ? nbytes : 1);
	if ((!op->rendezvous && op->copy == NULL) || !link_join(sim, op)) {
		op_unref(sim, op);
		return NULL;
	}
	op->sum = checksum(data, nbytes);
	return op;
}

static int sim_send(fy_port *port, int to, int tag, const void *data, size_t nbytes,
                    fy_request *request)
{
	struct rank *rank = rank_of(port);
	fy_sim *sim = rank->sim;
	const char *why = wrong_send(rank, to, tag, nbytes);
	if (why != NULL)
		return refuse(sim, why, to, tag, nbytes);
	struct op *op = send_create(rank, to, tag, data, nbytes);
	if (op == NULL)
		return refuse(sim, "memory is exhausted", to, tag, nbytes);
	sim->stats.sends++;
	send_schedule(sim, op);
	started(rank, op, request);
	return 0;
}

static int sim_recv(fy_port *port, int from, int tag, void *data, size_t nbytes,
                    fy_request *request)
{
	struct rank *rank = rank_of(port);
	fy_sim *sim = rank->sim;
	const char *why = wrong_start(rank, tag, nbytes);
	if (why == NULL && from != FY_PORT_ANY && (from < 0 || from >= sim->nranks))
		why = "there is no such rank";
	if (why == NULL && rank->refuse_receives > 0) {
		rank->refuse_receives--;
		why = "it was told to";
	}
	if (why != NULL)
		return refuse(sim, why, from, tag, nbytes);
	struct op *op = op_create(rank, OP_RECV, from, tag, data, nbytes);
	if (op == NULL)
		return refuse(sim, "memory is exhausted", from, tag, nbytes);
	scribble(op);
	sim->stats.receives++;
	started(rank, op, request);
	struct op *send = find_unexpected(rank, op);
	if (send != NULL) {
		unexpected_take(sim, rank, send);
		match(sim, op, send);
	} else {
		TAILQ_INSERT_TAIL(&rank->posted[tag % BUCKETS], op, queue);
		op->posted = true;
		if (tag == FY_TAG_BATCH && chance(sim, sim->options.fail_receive_ppm))
			schedule(sim, EVENT_FAIL, op, sim->now + draw_late(sim));
	}
	return 0;
}

/* The receiver makes progress: what was matched begins to move. */
static void sim_progress(fy_port *port)
{
	struct rank *rank = rank_of(port);
	struct op *send;
	while ((send = TAILQ_FIRST(&rank->waiting)) != NULL) {
		TAILQ_REMOVE(&rank->waiting, send, queue);
		schedule(rank->sim, EVENT_TRANSFER, send,
		         rank->sim->now +
		                 draw_delay(rank->sim, send->owner->port.rank, port->rank));
		op_unref(rank->sim, send);
	}
}

static bool sim_test(fy_port *port, fy_request *request)
{
	struct rank *rank = rank_of(port);
	fy_sim *sim = rank->sim;
	struct op *op = request->handle;
	if (op == NULL || op->owner != rank) {
		misused(sim, "a request that is not under way here was tested", rank, op);
		return true;
	}
	sim_progress(port);
	if (!op->done)
		return false;
	if (op->kind == OP_SEND && !op->orphan)
		check_sum(sim, op);
	trace(sim, TRACE_REPORTED, op);
	*request = (fy_request){
		.handle = NULL, .source = op->source, .status = op->status, .nbytes = op->got
	};
	rank->outstanding--;
	op_unref(sim, op);
	return true;
}

static void sim_cancel(fy_port *port, fy_request *request)
{
	struct rank *rank = rank_of(port);
	fy_sim *sim = rank->sim;
	struct op *op = request->handle;
	if (op == NULL || op->owner != rank || op->kind != OP_RECV) {
		misused(sim, "only a receive that is under way here can be cancelled", rank, op);
		return;
	}
	trace(sim, TRACE_CANCEL, op);
	if (op->canceling || op->done)
		return;
	if (rank->refuse_cancels > 0) {
		rank->refuse_cancels--;
		return;
	}
	op->canceling = true;
	schedule(sim, EVENT_CANCEL, op, sim->now + draw_late(sim));
}

static int64_t sim_now(fy_port *port)
{
	return rank_of(port)->sim->now;
}

static uint32_t *sim_doorbell(fy_port *port, int rank)
{
	fy_sim *sim = rank_of(port)->sim;
	if (rank < 0 || rank >= sim->nranks || (sim->options.remote && rank != port->rank))
		return NULL;
	return &sim->bells[(size_t)rank * BELL_WORDS];
}

/* Where the n-th agreement is, or goes when no rank has come to it yet. */
static struct round **round_at(fy_sim *sim, unsigned n)
{
	struct round **p = &sim->rounds;
	while (n-- > 0 && *p != NULL)
		p = &(*p)->next;
	return p;
}

/* Nothing can wait here, so everybody is compared with the first that came;
 * with MPI all ranks would learn of the difference. */
static int sim_agree(fy_port *port, const void *mine, void *theirs, size_t nbytes, int *rank_p)
{
	struct rank *rank = rank_of(port);
	struct round **p = round_at(rank->sim, rank->agreed), *round = *p;
	if (round == NULL) {
		round = calloc(1, sizeof *round + nbytes);
		if (round == NULL)
			return FERRY_ENOMEM;
		round->nbytes = nbytes;
		round->rank = port->rank;
		memcpy(round->bytes, mine, nbytes);
		*p = round;
	}
	rank->agreed++;
	digest_moment(rank->sim, TRACE_AGREE, port->rank);
	digest_word(rank->sim, checksum(mine, nbytes));
	memcpy(theirs, round->bytes, nbytes < round->nbytes ? nbytes : round->nbytes);
	if (nbytes == round->nbytes && memcmp(mine, round->bytes, nbytes) == 0)
		return 0;
	*rank_p = port->rank != 0 ? port->rank : round->rank;
	return FERRY_ENOTSUP;
}

static void sim_offer(fy_port *port, int status, const char *text)
{
	struct rank *rank = rank_of(port);
	rank->offered = status;
	snprintf(rank->offer, sizeof rank->offer, "%s", text);
}

/* Nothing can wait here: who has not offered yet counts as well. */
static int sim_settle(fy_port *port, char text[FY_SENTENCE], int *rank_p)
{
	fy_sim *sim = rank_of(port)->sim;
	for (int i = 0; i < sim->nranks; i++) {
		if (sim->ranks[i].offered == 0)
			continue;
		memcpy(text, sim->ranks[i].offer, FY_SENTENCE);
		*rank_p = i;
		return sim->ranks[i].offered;
	}
	return 0;
}

static int sim_close(fy_port *port, bool clean)
{
	struct rank *rank = rank_of(port);
	if (rank->closed)
		misused(rank->sim, "the port was closed twice", rank, NULL);
	if (clean && rank->outstanding > 0 && !rank->dead)
		misused(rank->sim, "the port was closed as clean with requests under way", rank,
		        NULL);
	rank->closed = true;
	digest_moment(rank->sim, TRACE_CLOSE, port->rank);
	digest_word(rank->sim, clean);
	return 0;
}

static const char *sim_error(fy_port *port)
{
	return rank_of(port)->sim->error;
}

static const struct fy_port_ops sim_ops = {
	.name = "sim",
	.send = sim_send,
	.recv = sim_recv,
	.test = sim_test,
	.cancel = sim_cancel,
	.progress = sim_progress,
	.now = sim_now,
	.doorbell = sim_doorbell,
	.agree = sim_agree,
	.offer = sim_offer,
	.settle = sim_settle,
	.close = sim_close,
	.error = sim_error,
};

/* ---- the simulation ------------------------------------------------------ */

static void default_options(struct fy_sim_options *options)
{
	if (options->delay_min <= 0)
		options->delay_min = 500;
	if (options->delay_max <= 0)
		options->delay_max = 20000;
	if (options->delay_max < options->delay_min)
		options->delay_max = options->delay_min;
	if (options->late_max <= 0)
		options->late_max = options->delay_max;
	if (options->grain <= 0)
		options->grain = 1;
	if (options->eager_max == 0)
		options->eager_max = 8192;
	if (options->chunk_max == 0)
		options->chunk_max = (size_t)1 << 30;
	if (options->tag_max <= 0)
		options->tag_max = 1 << 28;
}

static void rank_init(fy_sim *sim, int index)
{
	struct rank *rank = &sim->ranks[index];
	rank->sim = sim;
	rank->port = (fy_port){
		.ops = &sim_ops,
		.rank = index,
		.size = sim->nranks,
		.tag_max = sim->options.tag_max,
		.chunk_max = sim->options.chunk_max,
		.lendable = !sim->options.borrowed,
		.all_local = !sim->options.remote || sim->nranks == 1,
		.ranks_here = sim->options.remote ? 1 : sim->nranks,
	};
	for (int i = 0; i < BUCKETS; i++) {
		TAILQ_INIT(&rank->posted[i]);
		TAILQ_INIT(&rank->unexpected[i]);
	}
	TAILQ_INIT(&rank->waiting);
}

fy_sim *fy_sim_create(int ranks, uint64_t seed, const struct fy_sim_options *options)
{
	fy_sim *sim = ranks > 0 ? calloc(1, sizeof *sim) : NULL;
	if (sim == NULL)
		return NULL;
	if (options != NULL)
		sim->options = *options;
	default_options(&sim->options);
	TAILQ_INIT(&sim->live);
	TAILQ_INIT(&sim->held);
	sim->seed = seed;
	sim->random = mix(seed + 1);
	sim->nranks = ranks;
	sim->link_room = 64;
	sim->ranks = calloc((size_t)ranks, sizeof *sim->ranks);
	sim->links = calloc(sim->link_room, sizeof *sim->links);
	sim->bells = calloc((size_t)ranks * BELL_WORDS, sizeof *sim->bells);
	if (sim->ranks == NULL || sim->links == NULL || sim->bells == NULL) {
		fy_sim_destroy(sim);
		return NULL;
	}
	for (int i = 0; i < ranks; i++)
		rank_init(sim, i);
	return sim;
}

static void destroy_links(fy_sim *sim)
{
	struct link *link;
	for (size_t i = 0; sim->links != NULL && i < sim->link_room; i++)
		while ((link = sim->links[i]) != NULL) {
			sim->links[i] = link->next;
			free(link);
		}
	free(sim->links);
}

void fy_sim_destroy(fy_sim *sim)
{
	struct op *op;
	struct round *round;
	if (sim == NULL)
		return;
	while ((op = TAILQ_FIRST(&sim->live)) != NULL) {
		op->refs = 1;
		op_unref(sim, op);
	}
	while ((round = sim->rounds) != NULL) {
		sim->rounds = round->next;
		free(round);
	}
	destroy_links(sim);
	free(sim->heap);
	free(sim->cuts);
	free(sim->bells);
	free(sim->ranks);
	free(sim);
}

fy_port *fy_sim_port(fy_sim *sim, int rank)
{
	return &sim->ranks[rank].port;
}

int64_t fy_sim_now(const fy_sim *sim)
{
	return sim->now;
}

int64_t fy_sim_next(const fy_sim *sim)
{
	return sim->events > 0 ? sim->heap[0].at : INT64_MAX;
}

void fy_sim_advance_to(fy_sim *sim, int64_t time)
{
	while (sim->events > 0 && sim->heap[0].at <= time) {
		struct event event = take_event(sim);
		if (event.at > sim->now)
			sim->now = event.at;
		happen(sim, event);
	}
	if (time > sim->now)
		sim->now = time;
}

bool fy_sim_advance(fy_sim *sim)
{
	if (sim->events == 0)
		return false;
	fy_sim_advance_to(sim, sim->heap[0].at);
	return true;
}

int fy_sim_touched(fy_sim *sim)
{
	struct rank *rank = sim->touched;
	if (rank == NULL)
		return -1;
	sim->touched = rank->next_touched;
	rank->touched = false;
	return rank->port.rank;
}

/* ---- faults -------------------------------------------------------------- */

/* Messages at a rank that is gone, or on their last step to it. */
static void drop_queue(fy_sim *sim, struct rank *rank, struct ops *queue, bool unexpected)
{
	struct op *send;
	while ((send = TAILQ_FIRST(queue)) != NULL) {
		if (unexpected) {
			unexpected_take(sim, rank, send);
		} else {
			TAILQ_REMOVE(queue, send, queue);
			op_unref(sim, send->partner);
			send->partner = NULL;
		}
		lose(sim, send);
		op_unref(sim, send);
	}
}

void fy_sim_kill(fy_sim *sim, int index)
{
	struct rank *rank = &sim->ranks[index];
	struct op *op;
	if (rank->dead)
		return;
	rank->dead = true;
	TAILQ_FOREACH(op, &sim->live, all)
	{
		if (op->owner != rank)
			continue;
		if (op->posted)
			unpost(op);
		op->orphan = true;
		if (!op->done)
			op_finish(op, FERRY_ECANCELED);
	}
	for (int i = 0; i < BUCKETS; i++)
		drop_queue(sim, rank, &rank->unexpected[i], true);
	drop_queue(sim, rank, &rank->waiting, false);
}

bool fy_sim_killed(const fy_sim *sim, int rank)
{
	return sim->ranks[rank].dead;
}

int fy_sim_cut(fy_sim *sim, int from, int to)
{
	if (is_cut(sim, from, to))
		return 0;
	struct cut *cuts = realloc(sim->cuts, (sim->ncuts + 1) * sizeof *cuts);
	if (cuts == NULL)
		return FERRY_ENOMEM;
	sim->cuts = cuts;
	cuts[sim->ncuts++] = (struct cut){ from, to };
	return 0;
}

/* What was held is there at once: what left later may be due any moment. */
void fy_sim_heal(fy_sim *sim, int from, int to)
{
	struct op *send, *next;
	for (size_t i = 0; i < sim->ncuts; i++)
		if (sim->cuts[i].from == from && sim->cuts[i].to == to)
			sim->cuts[i--] = sim->cuts[--sim->ncuts];
	for (send = TAILQ_FIRST(&sim->held); send != NULL; send = next) {
		next = TAILQ_NEXT(send, queue);
		if (send->owner->port.rank != from || send->peer != to)
			continue;
		TAILQ_REMOVE(&sim->held, send, queue);
		deliver(sim, send);
		op_unref(sim, send);
	}
}

void fy_sim_refuse(fy_sim *sim, int rank, unsigned count)
{
	sim->ranks[rank].refuse = count;
}

void fy_sim_refuse_cancels(fy_sim *sim, int rank, unsigned count)
{
	sim->ranks[rank].refuse_cancels = count;
}

void fy_sim_fail_data(fy_sim *sim, int rank, bool receives, unsigned skip, unsigned count)
{
	sim->ranks[rank].faults[receives] = (struct fault){ skip, count };
}

void fy_sim_lose_batches(fy_sim *sim, int rank, unsigned skip, unsigned count)
{
	sim->ranks[rank].losses = (struct fault){ skip, count };
}

void fy_sim_fail_posted(fy_sim *sim, int rank, unsigned count)
{
	struct ops *posted = &sim->ranks[rank].posted[FY_TAG_BATCH % BUCKETS];
	struct op *recv, *next;
	for (recv = TAILQ_FIRST(posted); recv != NULL && count > 0; recv = next) {
		next = TAILQ_NEXT(recv, queue);
		if (recv->tag != FY_TAG_BATCH)
			continue;
		on_fail(sim, recv);
		count--;
	}
}

void fy_sim_refuse_receives(fy_sim *sim, int rank, unsigned count)
{
	sim->ranks[rank].refuse_receives = count;
}

void fy_sim_refuse_ppm(fy_sim *sim, uint32_t refuse_ppm, uint32_t fail_ppm)
{
	sim->options.refuse_ppm = refuse_ppm;
	sim->options.fail_ppm = fail_ppm;
}

/* ---- looking on ---------------------------------------------------------- */

size_t fy_sim_outstanding(const fy_sim *sim, int rank)
{
	size_t sum = 0;
	if (rank != FY_PORT_ANY)
		return sim->ranks[rank].outstanding;
	for (int i = 0; i < sim->nranks; i++)
		sum += sim->ranks[i].outstanding;
	return sum;
}

const struct fy_sim_stats *fy_sim_stats(const fy_sim *sim)
{
	return &sim->stats;
}

const char *fy_sim_misuse(const fy_sim *sim)
{
	return sim->misuse;
}

uint64_t fy_sim_digest(const fy_sim *sim)
{
	return sim->digest;
}
