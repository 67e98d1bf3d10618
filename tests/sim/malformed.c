/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that lies. Rank 0 is an engine; rank 1 is this test, which writes its
 * batches by hand as doc/wire-format.md has them. Whatever it says about large messages,
 * lengths, grants and credit: the engine answers with a status, keeps its memory,
 * and goes on, which is seen by an honest post after each lie.
 */
#include "support/life.h"
#include "sim/net/sim.h"

#include "engine/life.h"
#include "future/future.h"
#include "helm/agree.h"
#include "helm/close.h"
#include "helm/gone.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "link/channel.h"
#include "link/stream_out.h"
#include "port/port.h"
#include "shared/block.h"
#include "shared/engine.h"
#include "shared/message.h"
#include "shared/thread.h"
#include "wire/bodies.h"
#include "wire/header.h"
#include "wire/record.h"

#include <malloc.h>
#include <stdlib.h>

#define HONEST 7u /* the op of honest posts */
#define LARGE 8u  /* and of large messages, which are kept for a reader */
#define STREAM 3u
#define MEMORY_MAX (1u << 20)
#define TURNS 3000

/* ---- the peer ---------------------------------------------------------------------- */

enum { SENDS = 64, RECEIVES = 8 };

struct send {
	fy_request request;
	bool under_way;
	char bytes[FY_BATCH_BYTES];
};

struct peer {
	fy_sim *sim;
	ferry *engine;
	struct fy_progress *p;
	fy_port *port;
	uint32_t seq, accepted; /* of the next batch; the last of the engine's */
	uint64_t spent, limit, xid;
	struct send sends[SENDS];
	fy_request receives[RECEIVES];
	char received[RECEIVES][FY_BATCH_BYTES];
	_Alignas(8) char batch[FY_BATCH_BYTES]; /* that is being written */
	uint32_t fill;
	/* what the engine said */
	unsigned n_refused, n_grants, n_stream_acks, n_replies;
	struct fy_refused refused;
	struct fy_grant grant;
	struct fy_announce announced; /* by it */
	uint32_t nrecords;            /* in its last batch */
	/* what the engine's program saw */
	unsigned honest, expected;
};

static void on_honest(ferry *engine, ferry_message *message, void *arg)
{
	struct peer *peer = arg;
	size_t n;
	(void)engine;
	ferry_message_body(message, &n);
	assert_int_equal(n, sizeof(uint32_t));
	peer->honest++;
}

static void free_data(void *data, void *arg)
{
	(void)arg;
	free(data);
}

/* What the engine posts to itself. */
static void on_own(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(void)message;
	(void)arg;
}

static void on_asked(ferry *engine, ferry_message *message, void *arg)
{
	ferry_message *answer;
	size_t nbytes = 100000;
	(void)arg;
	assert_int_equal(ferry_message_create(engine, LARGE, &answer), 0);
	assert_int_equal(ferry_message_attach(answer, calloc(1, nbytes), nbytes, free_data, NULL),
	                 0);
	assert_int_equal(ferry_reply_message(message, answer), 0);
	ferry_message_release(answer);
}

static void begin(struct peer *peer)
{
	peer->fill = sizeof(struct fy_batch_header);
}

static struct fy_record *put(struct peer *peer, uint32_t word, uint32_t op, uint32_t stream,
                             const void *body, uint32_t nbytes)
{
	struct fy_record *r = (struct fy_record *)(void *)(peer->batch + peer->fill);
	word |= nbytes;
	*r = (struct fy_record){ word, op, 0, stream };
	if (word & FY_EXT)
		fy_record_set_ext(r, 0x100000001u + peer->seq);
	if (nbytes)
		memcpy(fy_record_data(r), body, nbytes);
	peer->fill += fy_record_size(word);
	return r;
}

static int raw_send(struct peer *peer, int tag, const void *bytes, size_t nbytes)
{
	for (unsigned i = 0; i < SENDS; i++) {
		struct send *s = &peer->sends[i];
		if (s->under_way && !peer->port->ops->test(peer->port, &s->request))
			continue;
		memcpy(s->bytes, bytes, nbytes);
		s->under_way = true;
		return peer->port->ops->send(peer->port, 0, tag, s->bytes, nbytes, &s->request);
	}
	return FERRY_EAGAIN;
}

static void send_batch(struct peer *peer)
{
	struct fy_batch_header *h = (struct fy_batch_header *)(void *)peer->batch;
	*h = (struct fy_batch_header){ .magic = FY_WIRE_MAGIC,
		                       .version = FY_WIRE_VERSION,
		                       .seq = peer->seq++,
		                       .flags = FY_BATCH_WANTS_ACK,
		                       .nrecords = 1,
		                       .accepted = peer->accepted,
		                       .limit = 32768,
		                       .spent = peer->spent };
	assert_int_equal(raw_send(peer, FY_TAG_BATCH, peer->batch, peer->fill), 0);
}

static void heard_record(struct peer *peer, const struct fy_record *r)
{
	peer->n_replies += fy_record_kind(r) == FY_KIND_REPLY;
	if (r->size_flags & FY_LARGE)
		memcpy(&peer->announced, fy_record_data(r), sizeof peer->announced);
	if (fy_record_kind(r) != FY_KIND_CONTROL)
		return;
	if (r->op == FY_OP_REFUSED) {
		peer->n_refused++;
		memcpy(&peer->refused, r + 1, sizeof peer->refused);
	} else if (r->op == FY_OP_GRANT) {
		peer->n_grants++;
		memcpy(&peer->grant, r + 1, sizeof peer->grant);
	} else if (r->op == FY_OP_ACK_STREAM) {
		struct fy_ack_stream ack;
		memcpy(&ack, r + 1, sizeof ack);
		peer->n_stream_acks += ack.count;
	}
}

static void heard(struct peer *peer, const char *bytes, size_t nbytes)
{
	const struct fy_batch_header *h = (const struct fy_batch_header *)(const void *)bytes;
	assert_true(nbytes >= sizeof *h);
	peer->accepted = h->seq;
	peer->nrecords = h->nrecords;
	if (h->limit > peer->limit)
		peer->limit = h->limit;
	for (size_t at = sizeof *h; at < nbytes;) {
		const struct fy_record *r = (const struct fy_record *)(const void *)(bytes + at);
		heard_record(peer, r);
		at += fy_record_size(r->size_flags);
	}
}

static void post_receive(struct peer *peer, unsigned i)
{
	peer->port->ops->recv(peer->port, 0, FY_TAG_BATCH, peer->received[i], FY_BATCH_BYTES,
	                      &peer->receives[i]);
}

static void turn(struct peer *peer)
{
	fy_step_once(peer->p, true);
	for (unsigned i = 0; i < RECEIVES; i++)
		if (peer->port->ops->test(peer->port, &peer->receives[i])) {
			heard(peer, peer->received[i], peer->receives[i].nbytes);
			post_receive(peer, i);
		}
	fy_sim_advance(peer->sim);
}

static void settle(struct peer *peer)
{
	for (unsigned i = 0; i < TURNS; i++)
		turn(peer);
}

/* Until `word` is at least `value`. */
static void await(struct peer *peer, const unsigned *word, unsigned value)
{
	for (unsigned i = 0; i < 20 * TURNS && *word < value; i++)
		turn(peer);
	assert_true(*word >= value);
}

static void open_peer(struct peer *peer)
{
	struct fy_sim_options net = { .eager_max = SIZE_MAX,
		                      .count_misuse = true,
		                      .chunk_max = 1 << 20 };
	ferry_options given = FERRY_OPTIONS_INIT;
	memset(peer, 0, sizeof *peer);
	given.flags = FERRY_NONBLOCK;
	given.message_max = 1 << 30;
	given.handler_grace = FERRY_NONE;
	peer->sim = fy_sim_create(2, 1, &net);
	peer->engine = t_open(fy_sim_port(peer->sim, 0), &given);
	peer->p = peer->engine->progress;
	peer->port = fy_sim_port(peer->sim, 1);
	peer->seq = 1;
	peer->limit = 16384;
	for (unsigned i = 0; i < RECEIVES; i++)
		post_receive(peer, i);
	ferry *before = fy_thread_begin(FY_INLINE, peer->engine);
	assert_int_equal(ferry_handle(peer->engine, HONEST, FERRY_INLINE, on_honest, peer), 0);
	assert_int_equal(ferry_handle(peer->engine, LARGE + 1, FERRY_INLINE, on_own, peer), 0);
	assert_int_equal(ferry_handle(peer->engine, LARGE + 2, FERRY_INLINE, on_asked, peer), 0);
	fy_thread_end(FY_INLINE, before);
	settle(peer);
}

/* The network ends, so that nothing is under way, and the engine goes without an agreement. */
static void close_peer(struct peer *peer)
{
	fy_sim_kill(peer->sim, 0);
	for (unsigned i = 0; i < 100; i++)
		fy_step_once(peer->p, true);
	peer->p->lookout.on = false; /* as with the option peer_timeout none */
	if (peer->p->link.channels[1])
		fy_gone_end(peer->p, peer->p->link.channels[1], FERRY_EPEER, "the test ends");
	fy_close_begin(peer->p);
	for (unsigned i = 0; i < 100; i++)
		fy_step_once(peer->p, true);
	assert_true(peer->p->close.stopped);
	peer->p->close.clean = true;
	fy_life_destroy(peer->engine);
	fy_engine_release(peer->engine);
	fy_sim_destroy(peer->sim);
}

/* ---- what goes on ------------------------------------------------------------------------ */

static void put_honest(struct peer *peer, uint32_t flags, uint32_t stream)
{
	uint32_t body = ++peer->expected;
	put(peer, FY_KIND_POST | flags, HONEST, stream, &body, sizeof body);
	peer->spent += 24 + FY_MESSAGE_CHARGE + FY_BATCH_CHARGE;
}

static void check_honest(struct peer *peer)
{
	begin(peer);
	put_honest(peer, 0, 0);
	send_batch(peer);
	await(peer, &peer->honest, peer->expected);
}

static size_t memory(void)
{
	return mallinfo2().uordblks + mallinfo2().hblkhd;
}

/* ---- announcements ------------------------------------------------------------------------ */

struct announcement {
	struct fy_announce a;
	uint64_t lengths[FY_LENGTHS_RECORD];
};

/* A good one of one part; then it is spoiled. */
static struct announcement good(struct peer *peer, uint64_t total)
{
	return (struct announcement){
		.a = { .xid = ++peer->xid, .total = total, .n_parts = 1, .chunk_bytes = 4096 },
		.lengths = { total }
	};
}

static void put_announcement(struct peer *peer, uint32_t word, const struct announcement *a,
                             unsigned lengths)
{
	put(peer, word | FY_LARGE, LARGE, STREAM, a, (uint32_t)(sizeof a->a + 8 * lengths));
	peer->spent += 64 + FY_MESSAGE_CHARGE + FY_BATCH_CHARGE;
}

/* A batch that holds an honest post, the lie, and one that is skipped. */
static void lie(struct peer *peer, uint32_t word, const struct announcement *a, unsigned lengths)
{
	unsigned refused = peer->n_refused;
	uint32_t seq = peer->seq, skipped = 0;
	begin(peer);
	put_honest(peer, 0, 0);
	put_announcement(peer, word, a, lengths);
	put(peer, FY_KIND_POST, HONEST, 0, &skipped, sizeof skipped);
	send_batch(peer);
	await(peer, &peer->n_refused, refused + 1);
	assert_int_equal(peer->refused.seq, seq);
	assert_int_equal(peer->refused.index, 1);
	assert_int_equal(peer->refused.status, FERRY_EDECODE);
	check_honest(peer);
	assert_int_equal(peer->honest, peer->expected);
}

static void announcements_that_cannot_be(void **state)
{
	const uint32_t post = FY_KIND_POST | FY_HELD;
	struct peer *peer = *state;
	struct announcement a = good(peer, 100);
	size_t before = memory();
	check_honest(peer);
	for (uint32_t n = 0; n < sizeof a.a + 8; n += 8) { /* cut off */
		unsigned refused = peer->n_refused;
		begin(peer);
		put(peer, post | FY_LARGE, LARGE, STREAM, &a, n);
		send_batch(peer);
		await(peer, &peer->n_refused, refused + 1);
		assert_int_equal(peer->refused.status, FERRY_EDECODE);
	}
	lie(peer, post, &a, 2); /* more lengths than parts */
	a.a.n_parts = 0;
	lie(peer, post, &a, 0);
	a.a.n_parts = 3;
	lie(peer, post, &a, 2);
	a.a.n_parts = UINT32_MAX;
	lie(peer, post, &a, 1);
	a = good(peer, 100);
	static const uint32_t chunks[] = { 0, 1, 4095, (1 << 20) + 1, UINT32_MAX };
	for (unsigned i = 0; i < 5; i++) {
		a.a.chunk_bytes = chunks[i];
		lie(peer, post, &a, 1);
	}
	a = good(peer, 100);
	lie(peer, FY_KIND_CALL | FY_HELD, &a, 1);          /* a call without an id */
	lie(peer, FY_KIND_POST | FY_HELD | FY_EXT, &a, 1); /* a post with one */
	a.a.flags = FY_ANNOUNCE_PREPAID;
	lie(peer, FY_KIND_REPLY | FY_EXT, &a, 1); /* replies are never prepaid */
	uint64_t totals[] = { 1 << 20, 1ull << 40, UINT64_MAX };
	for (unsigned i = 0; i < 3; i++) { /* more than there was credit for */
		a.a.total = a.lengths[0] = totals[i];
		lie(peer, post, &a, 1);
	}
	assert_true(memory() < before + MEMORY_MAX);
}

/* Neither a mailbox nor a handler is for them, so nobody would ever give their credit back. */
static void records_that_nobody_may_send(void **state)
{
	static const struct {
		uint32_t kind, op;
	} bad[] = {
		{ FY_KIND_POST, FERRY_OP_RESERVED },
		{ FY_KIND_POST, 0xFFFF0004u },
		{ FY_KIND_POST, FY_OP_FLUSH_ALL },
		{ FY_KIND_POST, FY_OP_START },
		{ FY_KIND_POST, UINT32_MAX },
		{ FY_KIND_CALL | FY_EXT, FY_OP_FLUSH },
		{ FY_KIND_CALL | FY_EXT, 0xFFFF0001u },
		/* and flags that say two things */
		{ FY_KIND_POST | FY_ERROR, HONEST },
		{ FY_KIND_POST | FY_LARGE | FY_ATTACHED, HONEST },
		{ FY_KIND_REPLY | FY_EXT | FY_LARGE | FY_ERROR, 0 },
		{ FY_KIND_REPLY | FY_EXT | FY_HELD, 0 },
		{ FY_KIND_CONTROL | FY_HELD, FY_OP_RECALL },
		{ FY_KIND_CONTROL, FY_OP_RECALL },
	};
	struct peer *peer = *state;
	check_honest(peer);
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		unsigned refused = peer->n_refused;
		uint32_t body = 0;
		begin(peer);
		put(peer, bad[i].kind, bad[i].op, 0, &body, sizeof body);
		send_batch(peer);
		await(peer, &peer->n_refused, refused + 1);
		assert_int_equal(peer->refused.status, FERRY_EDECODE);
		check_honest(peer);
	}
}

/* A message that is refused in its place, by a grant that says why. */
static void refused_in_place(struct peer *peer, const struct announcement *a, unsigned lengths,
                             int status)
{
	unsigned grants = peer->n_grants, acks = peer->n_stream_acks;
	begin(peer);
	put_announcement(peer, FY_KIND_POST | FY_HELD, a, lengths);
	put_honest(peer, FY_HELD, STREAM);
	send_batch(peer);
	await(peer, &peer->n_grants, grants + 1);
	assert_int_equal(peer->grant.xid, a->a.xid);
	assert_int_equal(peer->grant.status, status);
	await(peer, &peer->n_stream_acks, acks + 2);
	assert_int_equal(peer->honest, peer->expected);
	check_honest(peer);
}

static void lengths_that_lie(void **state)
{
	struct peer *peer = *state;
	size_t before = memory();
	struct announcement a = good(peer, 100);
	a.lengths[0] = 99;
	refused_in_place(peer, &a, 1, FERRY_EDECODE);
	a = good(peer, 100);
	a.lengths[0] = 101;
	refused_in_place(peer, &a, 1, FERRY_EDECODE);
	a = good(peer, 100); /* they add up modulo 2^64 */
	a.a.n_parts = 3;
	a.lengths[0] = 1ull << 63;
	a.lengths[1] = (1ull << 63) + 99;
	a.lengths[2] = 1;
	refused_in_place(peer, &a, 3, FERRY_EDECODE);
	a = good(peer, (1ull << 30) + 1);
	refused_in_place(peer, &a, 1, FERRY_ETOOBIG);
	a = good(peer, 1ull << 62);
	refused_in_place(peer, &a, 1, FERRY_ETOOBIG);
	a = good(peer, UINT64_MAX);
	refused_in_place(peer, &a, 1, FERRY_ETOOBIG);
	assert_true(memory() < before + MEMORY_MAX);
}

/* Control records about lengths. */
static void put_lengths(struct peer *peer, uint64_t xid, unsigned count, uint64_t each)
{
	uint64_t body[1 + 2 * FY_LENGTHS_RECORD];
	body[0] = xid;
	for (unsigned i = 0; i < count; i++)
		body[1 + i] = each;
	put(peer, FY_KIND_CONTROL, FY_OP_LENGTHS, 0, body, 8 + 8 * count);
}

static void refused_control(struct peer *peer, uint32_t op, const void *body, uint32_t nbytes)
{
	unsigned refused = peer->n_refused;
	begin(peer);
	put(peer, FY_KIND_CONTROL, op, 0, body, nbytes);
	send_batch(peer);
	await(peer, &peer->n_refused, refused + 1);
	assert_int_equal(peer->refused.status, FERRY_EDECODE);
	check_honest(peer);
}

static void more_lengths_that_lie(void **state)
{
	struct peer *peer = *state;
	uint64_t body[2] = { 123456, 1 };
	size_t before = memory();
	refused_control(peer, FY_OP_LENGTHS, body, 16); /* of what was never announced */
	refused_control(peer, FY_OP_LENGTHS, body, 8);
	refused_control(peer, FY_OP_LENGTHS, body, 15);
	refused_control(peer, FY_OP_LENGTHS, body, 0);
	/* one too many; or all of them, but they do not add up */
	for (unsigned n = 43; n <= 44; n++) {
		unsigned grants = peer->n_grants, acks = peer->n_stream_acks;
		struct announcement a = good(peer, 299);
		a.a.n_parts = FY_LENGTHS_RECORD + 43;
		for (unsigned i = 0; i < FY_LENGTHS_RECORD; i++)
			a.lengths[i] = 1;
		begin(peer);
		put_announcement(peer, FY_KIND_POST | FY_HELD, &a, FY_LENGTHS_RECORD);
		put_honest(peer, FY_HELD, STREAM);
		put_lengths(peer, a.a.xid, n, 2);
		send_batch(peer);
		await(peer, &peer->n_grants, grants + 1);
		assert_int_equal(peer->grant.status, FERRY_EDECODE);
		await(peer, &peer->n_stream_acks, acks + 2);
		check_honest(peer);
	}
	assert_true(memory() < before + MEMORY_MAX);
}

/* A number that was there before. */
static void a_transfer_twice(void **state)
{
	struct peer *peer = *state;
	struct announcement a = good(peer, 100);
	a.lengths[0] = 1;
	refused_in_place(peer, &a, 1, FERRY_EDECODE);
	lie(peer, FY_KIND_POST | FY_HELD, &a, 1);
}

/* ---- data -------------------------------------------------------------- */

/* Announce, wait for the grant, and send the one chunk with this many bytes. */
static void transfer(struct peer *peer, uint64_t announced, size_t sent, uint64_t chunk)
{
	static char bytes[FY_BATCH_BYTES];
	unsigned grants = peer->n_grants, acks = peer->n_stream_acks;
	struct announcement a = good(peer, announced);
	a.a.first_chunk = chunk;
	begin(peer);
	put_announcement(peer, FY_KIND_POST | FY_HELD, &a, 1);
	put_honest(peer, FY_HELD, STREAM);
	send_batch(peer);
	await(peer, &peer->n_grants, grants + 1);
	assert_int_equal(peer->grant.status, 0);
	assert_int_equal(raw_send(peer, 1 + (int)(chunk % (uint64_t)peer->p->bulk.tag_span), bytes,
	                          sent),
	                 0);
	await(peer, &peer->n_stream_acks, acks + 2);
}

static ferry_message *read_large(struct peer *peer)
{
	ferry_message *m = NULL;
	ferry *before = fy_thread_begin(FY_INLINE, NULL);
	for (unsigned i = 0; i < 10 && !m; i++) {
		turn(peer);
		ferry_recv(peer->engine, FERRY_ANY, LARGE, 0, &m);
	}
	fy_thread_end(FY_INLINE, before);
	return m;
}

static void data_of_another_length(void **state)
{
	struct peer *peer = *state;
	size_t n;
	transfer(peer, 3000, 2999, 10);
	assert_null(read_large(peer));
	transfer(peer, 3000, 1, UINT64_MAX - 5);
	assert_null(read_large(peer));
	transfer(peer, 3000, 3001, 11); /* longer than the memory for it */
	assert_null(read_large(peer));
	transfer(peer, 3000, 3000, 12);
	ferry_message *m = read_large(peer);
	assert_non_null(m);
	ferry_message_body(m, &n);
	assert_int_equal(n, 3000);
	ferry_message_release(m);
	check_honest(peer);
	assert_int_equal(peer->p->bulk.budget.used[0] -
	                         (peer->engine->told.large_returned - peer->p->bulk.budget.seen),
	                 0);
}

/* What is prepaid and announced wrongly has data behind it that nobody can tell from other data. */
static void prepaid_that_lies(void **state)
{
	struct peer *peer = *state;
	struct announcement a = good(peer, 100);
	check_honest(peer);
	a.a.flags = FY_ANNOUNCE_PREPAID;
	a.lengths[0] = 99;
	begin(peer);
	put_announcement(peer, FY_KIND_POST | FY_HELD, &a, 1);
	send_batch(peer);
	settle(peer);
	assert_int_equal(peer->p->link.channels[1]->gone, FERRY_EDECODE);
	assert_int_equal(ferry_post(peer->engine, 1, 1, NULL, 0, NULL), FERRY_EPEER);
	ferry_future *future = NULL;
	/* others go on */
	assert_int_equal(ferry_post(peer->engine, 0, HONEST, &(uint32_t){ 0 }, 4, &future), 0);
	peer->expected++;
	await(peer, &peer->honest, peer->expected);
	settle(peer);
	assert_int_equal(ferry_future_poll(future), 0);
	ferry_future_release(future);
}

/* ---- grants, acknowledgements, credit ---------------------------------- */

static ferry_future *post_large(struct peer *peer, uint32_t kind)
{
	static char data[50000];
	ferry_message *m;
	ferry_future *future;
	memset(&peer->announced, 0, sizeof peer->announced);
	assert_int_equal(ferry_message_create(peer->engine, LARGE, &m), 0);
	assert_int_equal(ferry_message_attach(m, data, sizeof data, NULL, NULL), 0);
	assert_int_equal((kind == FY_KIND_CALL ? ferry_call_message
	                                       : ferry_post_message)(peer->engine, 1, m, &future),
	                 0);
	ferry_message_release(m);
	settle(peer);
	assert_int_equal(peer->announced.total, sizeof data);
	return future;
}

static void say_control(struct peer *peer, uint32_t op, const void *body, uint32_t nbytes)
{
	begin(peer);
	put(peer, FY_KIND_CONTROL, op, 0, body, nbytes);
	send_batch(peer);
	settle(peer);
}

static void grants_that_lie(void **state)
{
	static const int statuses[] = { FERRY_ENOMEM, FERRY_ETOOBIG, 12345, -12345 };
	struct peer *peer = *state;
	uint64_t malformed = peer->p->link.stats.malformed;
	for (unsigned i = 0; i < 8; i++) {
		ferry_future *future = post_large(peer, i % 2 ? FY_KIND_CALL : FY_KIND_POST);
		struct fy_grant grant = { peer->announced.xid + 1000, 0, 0 };
		say_control(peer, FY_OP_GRANT, &grant, sizeof grant); /* of nothing */
		assert_int_equal(peer->p->link.stats.malformed, ++malformed);
		assert_int_equal(ferry_future_poll(future), FERRY_PENDING);
		grant = (struct fy_grant){ peer->announced.xid, statuses[i / 2], 0 };
		say_control(peer, FY_OP_GRANT, &grant, sizeof grant);
		assert_true(ferry_future_poll(future) < 0);
		assert_true(statuses[i / 2] > 0 || ferry_future_poll(future) == statuses[i / 2]);
		say_control(peer, FY_OP_GRANT, &grant, sizeof grant); /* once more */
		assert_int_equal(peer->p->link.stats.malformed, ++malformed);
		ferry_future_release(future);
	}
	uint64_t body[3] = { 1, 0, 0 };
	refused_control(peer, FY_OP_GRANT, body, 8);
	refused_control(peer, FY_OP_GRANT, body, 24);
}

/* Chunks that do not come, of messages that there are not, or were; and of one that there is,
 * said twice. */
static void losses_that_lie(void **state)
{
	struct peer *peer = *state;
	struct fy_lost lost = { 5, 0, 0, FERRY_EMPI };
	refused_control(peer, FY_OP_LOST, &lost, sizeof lost);
	refused_control(peer, FY_OP_LOST, &lost, 16);
	transfer(peer, 3000, 3000, 12); /* it came, whole, and then it is said to be lost */
	unsigned grants = peer->n_grants, acks = peer->n_stream_acks;
	lost.xid = peer->xid;
	say_control(peer, FY_OP_LOST, &lost, sizeof lost);
	assert_int_equal(peer->n_grants, grants + 1);
	assert_int_equal(peer->grant.status, FERRY_EMPI);
	ferry_message *m = read_large(peer);
	assert_non_null(m);
	ferry_message_release(m);
	/* 13 chunks: one comes, two are lost, the others are never sent */
	struct announcement a = good(peer, 50000);
	begin(peer);
	put_announcement(peer, FY_KIND_POST | FY_HELD, &a, 1);
	send_batch(peer);
	await(peer, &peer->n_grants, grants + 2);
	char bytes[4096] = { 0 };
	assert_int_equal(raw_send(peer, 2, bytes, sizeof bytes), 0);
	lost = (struct fy_lost){ peer->xid, 3, 1, FERRY_EMPI };
	say_control(peer, FY_OP_LOST, &lost, sizeof lost);
	assert_int_equal(peer->n_grants, grants + 2); /* chunk 0 may still come */
	lost.started = 4;
	refused_control(peer, FY_OP_LOST, &lost, sizeof lost);
	lost = (struct fy_lost){ peer->xid, 3, UINT32_MAX, 77 };
	say_control(peer, FY_OP_LOST, &lost, sizeof lost);
	assert_int_equal(peer->n_grants, grants + 3);
	assert_int_equal(peer->grant.status, FERRY_EMPI);
	await(peer, &peer->n_stream_acks, acks + 1);
	assert_null(read_large(peer));
	assert_int_equal(peer->honest, peer->expected);
	check_honest(peer);
	assert_int_equal(peer->p->bulk.budget.used[0] -
	                         (peer->engine->told.large_returned - peer->p->bulk.budget.seen),
	                 0);
}

static void acknowledgements_that_lie(void **state)
{
	struct peer *peer = *state;
	uint64_t malformed = peer->p->link.stats.malformed;
	struct fy_ack_stream ack = { 77, 1 };
	say_control(peer, FY_OP_ACK_STREAM, &ack, sizeof ack); /* of a stream that there is not */
	assert_int_equal(peer->p->link.stats.malformed, ++malformed);
	ferry_future *future = post_large(peer, FY_KIND_POST);
	ack = (struct fy_ack_stream){ 0, 1000 }; /* more than was sent */
	for (uint32_t stream = 0; stream < 4; stream++) {
		ack.stream = stream;
		say_control(peer, FY_OP_ACK_STREAM, &ack, sizeof ack);
		assert_int_equal(peer->p->link.stats.malformed, ++malformed);
	}
	assert_int_equal(ferry_future_poll(future), FERRY_PENDING);
	ferry_future_release(future);
	uint64_t much = 1ull << 50;
	say_control(peer, FY_OP_GIVE, &much, sizeof much); /* credit that it never had */
	assert_int_equal(peer->p->link.stats.malformed, ++malformed);
	assert_true(peer->p->link.credit.pool <= peer->p->link.options->receive_memory);
	refused_control(peer, FY_OP_GIVE, &much, 4);
	refused_control(peer, FY_OP_ACK_STREAM, &ack, 4);
	refused_control(peer, FY_OP_AGREE_UP, &much, 8);
	refused_control(peer, FY_OP_REFUSED, &much, 8);
	refused_control(peer, 0xFFFFFF55u, NULL, 0); /* nothing that there is */
	peer->spent = UINT64_MAX - (1 << 20);        /* it cannot have spent so much */
	check_honest(peer);
	assert_true(peer->p->link.channels[1]->credit.spent_in < 1u << 30);
}

/* ---- what the peer does not believe ------------------------------------ */

static void count_release(void *data, void *arg)
{
	(void)data;
	++*(unsigned *)arg;
}

static ferry_future *post_parts(struct peer *peer, uint32_t kind, unsigned parts, size_t nbytes,
                                unsigned *released)
{
	static char data[50000];
	ferry_message *m;
	ferry_future *future;
	assert_int_equal(ferry_message_create(peer->engine, LARGE, &m), 0);
	for (unsigned i = 0; i < parts; i++)
		assert_int_equal(ferry_message_attach(m, data, nbytes, count_release, released), 0);
	assert_int_equal((kind == FY_KIND_CALL ? ferry_call_message
	                                       : ferry_post_message)(peer->engine, 1, m, &future),
	                 0);
	ferry_message_release(m);
	return future;
}

static ferry_future *post_small(struct peer *peer, uint32_t kind)
{
	ferry_future *future;
	assert_int_equal((kind == FY_KIND_CALL ? ferry_call : ferry_post)(peer->engine, 1, LARGE,
	                                                                  "", 1, &future),
	                 0);
	return future;
}

static void has_ended(ferry_future *future, int status)
{
	assert_int_equal(ferry_future_poll(future), status);
	ferry_future_release(future);
}

static void refuse(struct peer *peer, uint32_t seq, uint32_t index, int status)
{
	struct fy_refused refused = { seq, index, status, 0 };
	say_control(peer, FY_OP_REFUSED, &refused, sizeof refused);
}

static void refuse_large(struct peer *peer, uint64_t xid)
{
	struct fy_grant grant = { xid, FERRY_ENOMEM, 0 };
	say_control(peer, FY_OP_GRANT, &grant, sizeof grant);
}

static void acknowledge(struct peer *peer, uint32_t count)
{
	struct fy_ack_stream ack = { peer->p->link.channels[1]->streams_out->stream, count };
	say_control(peer, FY_OP_ACK_STREAM, &ack, sizeof ack);
}

/* The engine fences, and this peer agrees. It ends only if the engine finds itself quiet. */
static void fence(struct peer *peer)
{
	struct fy_progress *p = peer->p;
	ferry_future *over = fy_future_create(peer->engine, FY_FUTURE_NO_CANCEL);
	fy_agree_join(p, FY_AGREE_FENCE);
	p->agree.waiter = over;
	for (unsigned rounds = 0; rounds < 200 && ferry_future_poll(over) == FERRY_PENDING;
	     rounds++) {
		struct fy_agree_word up = { .n = p->agree.n,
			                    .round = p->agree.round,
			                    .kind = FY_AGREE_FENCE | FY_AGREE_TAINTED };
		begin(peer);
		put(peer, FY_KIND_CONTROL, FY_OP_AGREE_UP, 0, &up, sizeof up);
		send_batch(peer);
		for (unsigned i = 0; i < 20; i++) {
			turn(peer);
			fy_sim_advance_to(peer->sim, fy_sim_now(peer->sim) + FERRY_US(100));
		}
	}
	has_ended(over, FERRY_OK);
}

/* Two posts, a call, a large post and a large call are refused, in the middle of a stream whose
 * first message is not delivered yet: they end, and what was said before and after them is
 * acknowledged as if they had not been. */
static void held_records_that_are_refused(void **state)
{
	struct peer *peer = *state;
	unsigned released = 0;
	ferry_future *large = post_parts(peer, FY_KIND_POST, 1, 50000, &released), *lost[5];
	settle(peer);
	uint64_t xid = peer->announced.xid;
	ferry_future *before = post_small(peer, FY_KIND_POST);
	settle(peer);
	for (int i = 0; i < 5; i++)
		lost[i] = i < 3 ? post_small(peer, i < 2 ? FY_KIND_POST : FY_KIND_CALL)
		                : post_parts(peer, i < 4 ? FY_KIND_POST : FY_KIND_CALL, 1, 50000,
		                             &released);
	settle(peer);
	assert_int_equal(peer->nrecords, 5);
	uint32_t seq = peer->accepted;
	ferry_future *behind = post_small(peer, FY_KIND_POST);
	settle(peer);
	assert_int_not_equal(peer->accepted, seq);
	for (int again = 0; again < 2; again++) { /* once more: it changes nothing */
		refuse(peer, seq, 0, FERRY_EDECODE);
		assert_int_equal(released, 2);
		assert_int_equal(ferry_future_poll(large), FERRY_PENDING);
		assert_int_equal(ferry_future_poll(before), FERRY_PENDING);
		assert_int_equal(ferry_future_poll(behind), FERRY_PENDING);
	}
	for (int i = 0; i < 5; i++)
		has_ended(lost[i], FERRY_EDECODE);
	refuse_large(peer, xid);
	has_ended(large, FERRY_ENOMEM);
	acknowledge(peer, 1);
	assert_int_equal(ferry_future_poll(before), FERRY_PENDING);
	acknowledge(peer, 1);
	has_ended(before, FERRY_OK);
	assert_int_equal(ferry_future_poll(behind), FERRY_PENDING);
	acknowledge(peer, 1);
	has_ended(behind, FERRY_OK);
	assert_int_equal(released, 3);
	assert_null(peer->p->link.channels[1]->streams_out);
	fence(peer);
	check_honest(peer);
}

/* Only the end of a batch is refused, with the last records of the stream. */
static void the_end_of_a_batch_that_is_refused(void **state)
{
	struct peer *peer = *state;
	unsigned released = 0;
	ferry_future *large = post_parts(peer, FY_KIND_POST, 1, 50000, &released), *small[3];
	settle(peer);
	for (int i = 0; i < 3; i++)
		small[i] = post_small(peer, FY_KIND_POST);
	settle(peer);
	assert_int_equal(peer->nrecords, 3);
	uint32_t seq = peer->accepted;
	refuse_large(peer, peer->announced.xid);
	acknowledge(peer, 1);
	refuse(peer, seq, 1, 77); /* which is no status */
	has_ended(large, FERRY_ENOMEM);
	has_ended(small[1], FERRY_EDECODE);
	has_ended(small[2], FERRY_EDECODE);
	assert_int_equal(ferry_future_poll(small[0]), FERRY_PENDING);
	acknowledge(peer, 1);
	has_ended(small[0], FERRY_OK);
	assert_null(peer->p->link.channels[1]->streams_out);
	fence(peer);
}

/* Nothing is left of the stream, and the next post is not counted. */
static void a_stream_that_is_refused(void **state)
{
	struct peer *peer = *state;
	unsigned released = 0;
	ferry_future *large = post_parts(peer, FY_KIND_POST, 1, 50000, &released);
	settle(peer);
	refuse(peer, peer->accepted, 0, FERRY_EDECODE);
	has_ended(large, FERRY_EDECODE);
	assert_int_equal(released, 1);
	fence(peer);
	ferry_future *small = post_small(peer, FY_KIND_POST);
	settle(peer);
	check_honest(peer);
	settle(peer);
	has_ended(small, FERRY_OK);
}

/* A reply is announced, and that is not believed. */
static void a_large_reply_that_is_refused(void **state)
{
	struct peer *peer = *state;
	begin(peer);
	put(peer, FY_KIND_CALL | FY_EXT, LARGE + 2, 0, NULL, 0);
	peer->spent += 24 + FY_MESSAGE_CHARGE + FY_BATCH_CHARGE;
	send_batch(peer);
	settle(peer);
	assert_int_equal(peer->announced.total, 100000);
	assert_int_equal(peer->p->bulk.n_out, 1);
	refuse(peer, peer->accepted, 0, FERRY_EDECODE);
	assert_int_equal(peer->p->bulk.n_out, 0);
	fence(peer);
	check_honest(peer);
}

static void is_gone(struct peer *peer)
{
	ferry_future *own;
	assert_int_equal(peer->p->link.channels[1]->gone, FERRY_EDECODE);
	assert_int_equal(ferry_post(peer->engine, 1, LARGE, NULL, 0, NULL), FERRY_EPEER);
	assert_int_equal(ferry_post(peer->engine, 0, LARGE + 1, NULL, 0, &own), 0);
	settle(peer);
	has_ended(own, FERRY_OK);
	assert_int_equal(peer->p->bulk.n_out, 0);
	assert_int_equal(peer->p->link.n_streams, 0);
}

/* Its data is on the way already, and will be taken for other data some time. */
static void prepaid_that_is_refused(void **state)
{
	struct peer *peer = *state;
	unsigned released = 0;
	ferry_future *large = post_parts(peer, FY_KIND_POST, 1, 5000, &released),
		     *small = post_small(peer, FY_KIND_POST);
	settle(peer);
	assert_true(peer->announced.flags & FY_ANNOUNCE_PREPAID);
	refuse(peer, peer->accepted, 0, FERRY_EDECODE);
	has_ended(large, FERRY_EDECODE);
	has_ended(small, FERRY_EDECODE);
	assert_int_equal(released, 1);
	is_gone(peer);
}

/* The announcement was believed and the lengths behind it were not: they will never be complete. */
static void lengths_that_are_refused(void **state)
{
	struct peer *peer = *state;
	unsigned released = 0;
	ferry_future *large = post_parts(peer, FY_KIND_POST, 300, 100, &released);
	settle(peer);
	assert_int_equal(peer->nrecords, 2);
	uint32_t seq = peer->accepted;
	refuse(peer, seq + 100, 0, FERRY_EDECODE); /* nothing that was sent */
	refuse(peer, seq - 1, 0, FERRY_EDECODE);
	assert_int_equal(ferry_future_poll(large), FERRY_PENDING);
	assert_int_equal(peer->p->link.channels[1]->gone, 0);
	refuse(peer, seq, 1, FERRY_EDECODE);
	has_ended(large, FERRY_EDECODE);
	assert_int_equal(released, 300);
	is_gone(peer);
}

/* ---- a peer that lets us wait ------------------------------------------ */

/* The engine posts to itself, as any other rank would: something large that needs a grant. */
static ferry_future *post_to_itself(struct peer *peer, size_t nbytes)
{
	ferry_message *m;
	ferry_future *future;
	char *data = malloc(nbytes);
	memset(data, 7, nbytes);
	assert_int_equal(ferry_message_create(peer->engine, LARGE + 1, &m), 0);
	assert_int_equal(ferry_message_attach(m, data, nbytes, free_data, NULL), 0);
	assert_int_equal(ferry_post_message(peer->engine, 0, m, &future), 0);
	ferry_message_release(m);
	return future;
}

/* How many turns of `ns` until it is done; at most `most`. */
static unsigned turns_until(struct peer *peer, ferry_future *future, int64_t ns, unsigned most)
{
	unsigned n = 0;
	for (; n < most && ferry_future_poll(future) == FERRY_PENDING; n++) {
		turn(peer);
		fy_sim_advance_to(peer->sim, fy_sim_now(peer->sim) + ns);
	}
	return n;
}

static void arrives(struct peer *peer, size_t nbytes)
{
	ferry_future *future = post_to_itself(peer, nbytes);
	turns_until(peer, future, FERRY_US(10), TURNS);
	assert_int_equal(ferry_future_poll(future), 0);
	ferry_future_release(future);
}

/* Of 300 lengths 256 are told, and no more come: requests, replies, and what is prepaid. */
static void lengths_that_never_come(void **state)
{
	struct peer *peer = *state;
	check_honest(peer);
	for (unsigned i = 0; i < 5; i++) {
		struct announcement a = good(peer, 256);
		a.a.n_parts = 300;
		a.a.flags = i == 3 ? FY_ANNOUNCE_PREPAID : 0;
		for (unsigned k = 0; k < FY_LENGTHS_RECORD; k++)
			a.lengths[k] = 1;
		begin(peer);
		put_announcement(peer, i % 2 ? FY_KIND_POST | FY_HELD : FY_KIND_REPLY | FY_EXT, &a,
		                 FY_LENGTHS_RECORD);
		send_batch(peer);
		settle(peer);
	}
	/* one behind them waits with them: their stream may be its own */
	struct announcement a = good(peer, 3000);
	begin(peer);
	put_announcement(peer, FY_KIND_POST | FY_HELD, &a, 1);
	send_batch(peer);
	settle(peer);
	assert_int_equal(peer->n_grants, 0);
	assert_int_equal(peer->p->bulk.n_parked, 6);
	arrives(peer, 5000); /* prepaid */
	arrives(peer, 200000);
	arrives(peer, 100 << 20); /* alone */
	ferry_future *call;
	ferry_message *m;
	assert_int_equal(ferry_message_create(peer->engine, LARGE + 2, &m), 0);
	assert_int_equal(ferry_call_message(peer->engine, 0, m, &call), 0); /* its reply is large */
	ferry_message_release(m);
	turns_until(peer, call, FERRY_US(10), TURNS);
	assert_int_equal(ferry_future_poll(call), 0);
	ferry_future_release(call);
	check_honest(peer);
}

/* It is granted all there is and sends nothing. Others wait for a second, and then no more. */
static void chunks_that_never_come(void **state)
{
	struct peer *peer = *state;
	uint64_t cap = peer->p->bulk.budget.cap[0];
	for (unsigned i = 0; i < 5; i++) {
		struct announcement a = good(peer, cap - 1000);
		begin(peer);
		put_announcement(peer, FY_KIND_POST | FY_HELD, &a, 1);
		send_batch(peer);
		settle(peer);
	}
	assert_int_equal(peer->n_grants, 1);
	ferry_future *future = post_to_itself(peer, 1 << 20);
	unsigned ms = turns_until(peer, future, FERRY_MS(1), 5000);
	assert_int_equal(ferry_future_poll(future), 0);
	ferry_future_release(future);
	assert_in_range(ms, 100, 1500);
	for (unsigned i = 0; i < 20; i++)
		arrives(peer, 1 << 20);
	/* for more that it announced there is nothing, however long it waits */
	for (unsigned i = 0; i < 5000; i++) {
		turn(peer);
		fy_sim_advance_to(peer->sim, fy_sim_now(peer->sim) + FERRY_MS(1));
	}
	assert_int_equal(peer->n_grants, 1);
	assert_int_equal(peer->p->bulk.budget.used[0], fy_block_size(peer->engine, cap - 1000));
	check_honest(peer);
}

/* Lengths of attachments that cost their sender nothing. */
static void lengths_without_end(void **state)
{
	struct peer *peer = *state;
	peer->engine->options.receive_memory = 1 << 20;
	check_honest(peer);
	size_t before = memory();
	for (unsigned i = 0; i < 3; i++) {
		struct announcement a = good(peer, 1);
		a.a.n_parts = UINT32_MAX;
		memset(a.lengths, 0, sizeof a.lengths);
		begin(peer);
		put_announcement(peer, FY_KIND_POST | FY_HELD, &a, FY_LENGTHS_RECORD);
		send_batch(peer);
		for (unsigned k = 0; k < 1000; k++) {
			begin(peer);
			put_lengths(peer, a.a.xid, FY_LENGTHS_RECORD, 0);
			send_batch(peer);
			await(peer, &peer->accepted, peer->accepted + 1);
		}
	}
	assert_true(memory() < before + MEMORY_MAX + (1 << 20));
	arrives(peer, 200000);
	check_honest(peer);
}

/* ---- what is no batch, and no record ----------------------------------- */

static void no_batch(struct peer *peer, const struct fy_batch_header *header, size_t nbytes)
{
	char bytes[64] = { 0 };
	unsigned refused = peer->n_refused;
	memcpy(bytes, header, sizeof *header);
	assert_int_equal(raw_send(peer, FY_TAG_BATCH, bytes, nbytes), 0);
	await(peer, &peer->n_refused, refused + 1);
	assert_int_equal(peer->refused.seq, peer->seq);
	assert_int_equal(peer->refused.index, 0);
	peer->seq++; /* it took the place of this one */
	check_honest(peer);
}

static void batches_that_are_none(void **state)
{
	struct peer *peer = *state;
	struct fy_batch_header ok = { .magic = FY_WIRE_MAGIC, .version = FY_WIRE_VERSION }, h;
	check_honest(peer);
	for (size_t n = 0; n < sizeof h; n += 13) {
		h = ok;
		h.seq = peer->seq;
		no_batch(peer, &h, n);
	}
	h = ok;
	h.seq = peer->seq;
	h.magic++;
	no_batch(peer, &h, sizeof h);
	h = ok;
	h.seq = peer->seq;
	h.version = FY_WIRE_VERSION + 1;
	no_batch(peer, &h, sizeof h);
	h = ok;
	h.seq = peer->seq - 70000;
	no_batch(peer, &h, sizeof h);
	h.seq = peer->seq + 70000;
	no_batch(peer, &h, sizeof h);
}

/* A number that was here: MPI said to the sender that the batch was not sent, and it was sent
 * again. */
static void a_batch_that_comes_twice(void **state)
{
	struct peer *peer = *state;
	struct fy_batch_header h = { .magic = FY_WIRE_MAGIC, .version = FY_WIRE_VERSION };
	check_honest(peer);
	uint64_t malformed = peer->p->link.stats.malformed;
	for (unsigned i = 0; i < 40; i++) { /* more than may be refused */
		h.seq = peer->seq - 1;
		assert_int_equal(raw_send(peer, FY_TAG_BATCH, &h, sizeof h), 0);
		check_honest(peer);
	}
	assert_int_equal(peer->p->link.stats.malformed, malformed + 40);
	assert_int_equal(peer->n_refused, 0);
	assert_int_equal(peer->p->link.channels[1]->gone, 0);
}

/* It was another batch, of a wrong number: the right one stays missing, and the pair ends. */
static void a_number_that_is_wrong(void **state)
{
	struct peer *peer = *state;
	struct fy_batch_header h = { .magic = FY_WIRE_MAGIC, .version = FY_WIRE_VERSION };
	check_honest(peer);
	h.seq = peer->seq - 1;
	assert_int_equal(raw_send(peer, FY_TAG_BATCH, &h, sizeof h), 0);
	h.seq = peer->seq + 1;
	assert_int_equal(raw_send(peer, FY_TAG_BATCH, &h, sizeof h), 0);
	for (unsigned i = 0; i < 20; i++) {
		turn(peer);
		fy_sim_advance_to(peer->sim, fy_sim_now(peer->sim) + FERRY_MS(100));
	}
	assert_int_equal(peer->p->link.channels[1]->gone, FERRY_EMPI);
}

/* Of a batch of many the engine takes some: the rest waits for the thread that may run handlers. */
static void pause_batch(struct peer *peer)
{
	begin(peer);
	for (unsigned i = 0; i < 20; i++)
		put_honest(peer, 0, 0);
	send_batch(peer);
	for (unsigned i = 0; i < 100; i++) {
		fy_sim_advance(peer->sim);
		fy_step_once(peer->p, false);
	}
	assert_int_equal(peer->p->arrivals.n_undispatched, 1);
}

static void batches_behind_one_that_is_paused(void **state)
{
	struct peer *peer = *state;
	struct fy_batch_header none = { .magic = FY_WIRE_MAGIC + 1 };
	check_honest(peer);
	pause_batch(peer);
	peer->seq--; /* the same once more */
	send_batch(peer);
	while (fy_sim_advance(peer->sim))
		;
	settle(peer);
	assert_int_equal(peer->honest, peer->expected);
	assert_int_equal(peer->p->arrivals.n_undispatched, 0);
	check_honest(peer);
	pause_batch(peer);
	assert_int_equal(raw_send(peer, FY_TAG_BATCH, &none, sizeof none), 0);
	while (fy_sim_advance(peer->sim))
		;
	await(peer, &peer->n_refused, 1);
	assert_int_equal(peer->refused.seq, peer->seq++);
	settle(peer);
	assert_int_equal(peer->honest, peer->expected);
	assert_int_equal(peer->p->arrivals.n_undispatched, 0);
	check_honest(peer);
}

static void refused_record(struct peer *peer, uint32_t word, uint32_t rank, const void *body,
                           uint32_t nbytes, uint32_t cut)
{
	unsigned refused = peer->n_refused;
	begin(peer);
	put(peer, word, 9, 0, body, nbytes)->rank = rank;
	peer->fill -= cut;
	send_batch(peer);
	await(peer, &peer->n_refused, refused + 1);
	assert_int_equal(peer->refused.index, 0);
	assert_int_equal(peer->refused.status, FERRY_EDECODE);
	check_honest(peer);
}

static void records_that_are_none(void **state)
{
	static const uint64_t zeros[8];
	struct peer *peer = *state;
	uint64_t folded[8] = { 1, 8, 8, 0, 0 };
	refused_record(peer, FY_KIND_POST, 0, zeros, 64, 8); /* ends behind the batch */
	refused_record(peer, FY_KIND_POST, 0, zeros, 64, 72);
	refused_record(peer, FY_KIND_POST, 1, zeros, 8, 0); /* for somebody else */
	refused_record(peer, 0xA0000000u, 0, zeros, 8, 0);
	refused_record(peer, FY_KIND_PAD, 0, zeros, 8, 0);
	refused_record(peer, FY_KIND_CALL, 0, zeros, 8, 0);
	refused_record(peer, FY_KIND_REPLY, 0, zeros, 8, 0);
	refused_record(peer, FY_KIND_REPLY | FY_EXT | FY_ERROR, 0, zeros, 7, 0);
	refused_record(peer, FY_KIND_POST | FY_ATTACHED, 0, zeros, 40, 0); /* no attachment */
	/* longer than the bytes there are */
	refused_record(peer, FY_KIND_POST | FY_ATTACHED, 0, folded, 32, 0);
	refused_record(peer, FY_KIND_POST | FY_ATTACHED, 0, folded, 8, 0);
	folded[0] = UINT64_MAX / 8;
	refused_record(peer, FY_KIND_POST | FY_ATTACHED, 0, folded, 64, 0);
	folded[0] = 2;
	folded[1] = UINT64_MAX - 3;
	refused_record(peer, FY_KIND_POST | FY_ATTACHED, 0, folded, 64, 0);
}

/* ---- all of them ------------------------------------------------------- */

static int setup(void **state)
{
	struct peer *peer = malloc(sizeof *peer);
	if (!peer)
		return -1;
	open_peer(peer);
	*state = peer;
	return 0;
}

static int teardown(void **state)
{
	close_peer(*state);
	free(*state);
	return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(announcements_that_cannot_be),
		CASE(records_that_nobody_may_send),
		CASE(lengths_that_lie),
		CASE(more_lengths_that_lie),
		CASE(a_transfer_twice),
		CASE(data_of_another_length),
		CASE(prepaid_that_lies),
		CASE(grants_that_lie),
		CASE(losses_that_lie),
		CASE(acknowledgements_that_lie),
		CASE(held_records_that_are_refused),
		CASE(the_end_of_a_batch_that_is_refused),
		CASE(a_stream_that_is_refused),
		CASE(a_large_reply_that_is_refused),
		CASE(prepaid_that_is_refused),
		CASE(lengths_that_are_refused),
		CASE(lengths_that_never_come),
		CASE(chunks_that_never_come),
		CASE(lengths_without_end),
		CASE(batches_that_are_none),
		CASE(a_batch_that_comes_twice),
		CASE(a_number_that_is_wrong),
		CASE(batches_behind_one_that_is_paused),
		CASE(records_that_are_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
