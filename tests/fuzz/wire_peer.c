/* SPDX-License-Identifier: Apache-2.0 */
#include "wire_peer.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "wire/checksum.h"

#define FIRST_CALL 0x100000001u
#define LENGTHS_MAX 38u /* in one record */

static void post_receive(struct wire_peer *q, unsigned i)
{
	q->port->ops->recv(q->port, 0, FY_TAG_BATCH, q->received[i], FY_BATCH_BYTES,
	                   &q->receives[i]);
}

static void begin_batch(struct wire_peer *q)
{
	q->fill = sizeof(struct fy_batch_header);
	q->nrecords = 0;
}

void wire_peer_open(struct wire_peer *q, fy_sim *sim, int rank)
{
	memset(q, 0, sizeof *q);
	q->rank = rank;
	q->port = fy_sim_port(sim, rank);
	q->seq = 1;
	begin_batch(q);
	for (unsigned i = 0; i < PEER_RECEIVES; i++)
		post_receive(q, i);
}

void wire_peer_free(struct wire_peer *q)
{
	for (unsigned i = 0; i < PEER_SENDS; i++)
		if (q->sends[i].busy)
			free(q->sends[i].bytes);
}

/* ---- hearing ----------------------------------------------------------------------- */

static void hear_control(struct wire_peer *q, const struct fy_record *r)
{
	if (r->op != FY_OP_AGREE_DOWN && r->op != FY_OP_AGREE_UP)
		return;
	memcpy(&q->agree, fy_record_data(r), sizeof q->agree);
	q->agree_heard = true;
}

static bool hear_record(struct wire_peer *q, const struct fy_record *r)
{
	if (r->rank != (uint32_t)q->rank)
		return false;
	if (fy_record_kind(r) == FY_KIND_CALL)
		q->call_ids[q->n_calls++ % PEER_MEMORY] = fy_record_ext(r);
	if (r->size_flags & FY_LARGE) {
		struct fy_announce a;
		memcpy(&a, fy_record_data(r), sizeof a);
		q->xids[q->n_xids++ % PEER_MEMORY] = a.xid;
	}
	if (r->size_flags & FY_HELD)
		q->streams[q->n_streams++ % PEER_STREAMS] = r->stream & FY_STREAM;
	if (fy_record_kind(r) == FY_KIND_CONTROL)
		hear_control(q, r);
	return true;
}

static bool hear_batch(struct wire_peer *q, const char *bytes, size_t nbytes)
{
	const struct fy_batch_header *h = (const void *)bytes;
	size_t at = sizeof *h;
	if (nbytes < at || h->magic != FY_WIRE_MAGIC)
		return false;
	if (h->flags & FY_BATCH_UNNUMBERED)
		return true; /* it has words, and no records */
	if ((int32_t)(h->seq - q->accepted) > 0)
		q->accepted = h->seq;
	while (at < nbytes) {
		const struct fy_record *r = (const void *)(bytes + at);
		at += fy_record_size(r->size_flags);
		if (at > nbytes || !hear_record(q, r))
			return false;
	}
	return true;
}

/* Only the last words of an engine that gives up have no checksum. */
static bool hear_sum(const struct wire_peer *q, unsigned i)
{
	const struct fy_batch_header *h = (const void *)q->received[i];
	return h->flags == FY_BATCH_GAVE_UP ||
	       fy_checksum_holds(q->received[i], q->receives[i].nbytes);
}

bool wire_peer_listen(struct wire_peer *q)
{
	bool good = true;
	for (unsigned i = 0; i < PEER_RECEIVES; i++) {
		if (!q->port->ops->test(q->port, &q->receives[i]))
			continue;
		if (!q->receives[i].status && q->checks && !hear_sum(q, i))
			good = false;
		if (!q->receives[i].status)
			good = hear_batch(q, q->received[i], q->receives[i].nbytes) && good;
		post_receive(q, i);
	}
	return good;
}

/* ---- sending ------------------------------------------------------------------------ */

/* What finds no place is not sent. */
static void send_bytes(struct wire_peer *q, int tag, const void *bytes, size_t nbytes)
{
	for (unsigned i = 0; i < PEER_SENDS; i++) {
		struct peer_send *s = &q->sends[i];
		if (s->busy && !q->port->ops->test(q->port, &s->request))
			continue;
		if (s->busy)
			free(s->bytes);
		s->bytes = malloc(nbytes + 1);
		if (s->bytes)
			memcpy(s->bytes, bytes, nbytes);
		s->busy = s->bytes &&
		          q->port->ops->send(q->port, 0, tag, s->bytes, nbytes, &s->request) == 0;
		if (!s->busy)
			free(s->bytes);
		return;
	}
}

enum {
	LIE_SEQ = 1,
	LIE_ACCEPTED = 2,
	LIE_LIMIT = 4,
	LIE_SPENT = 8,
	LIE_FLAGS = 16,
	LIE_RECORDS = 32,
	LIE_SUM = 0x40,
	LIE_BYTES = 0xc0
};

void wire_peer_send_batch(struct wire_peer *q, struct wire_input *in)
{
	uint8_t lies = in_8(in);
	struct fy_batch_header *h = (void *)q->batch;
	*h = (struct fy_batch_header){ .magic = FY_WIRE_MAGIC,
		                       .version = FY_WIRE_VERSION,
		                       .flags = FY_BATCH_WANTS_ACK,
		                       .seq = q->seq++,
		                       .nrecords = q->nrecords,
		                       .accepted = q->accepted,
		                       .limit = 1 << 20 };
	if (lies & LIE_SEQ)
		h->seq += (uint32_t)in_near(in, 0);
	if (lies & LIE_ACCEPTED)
		h->accepted = (uint32_t)in_near(in, q->accepted);
	if (lies & LIE_LIMIT)
		h->limit = in_near(in, 65536);
	if (lies & LIE_SPENT)
		h->spent = in_near(in, 1000);
	if (lies & LIE_FLAGS)
		h->flags = in_8(in);
	if (lies & LIE_RECORDS)
		h->nrecords = (uint32_t)in_near(in, q->nrecords);
	uint32_t nbytes = q->fill;
	if ((lies & LIE_BYTES) == LIE_BYTES) {
		nbytes = (uint32_t)(in_near(in, nbytes) % (FY_BATCH_BYTES + 1));
		if (in_8(in) & 1)
			q->batch[in_8(in) % sizeof *h] ^= (char)in_8(in);
	}
	if ((lies & LIE_BYTES) != LIE_SUM && nbytes >= sizeof *h)
		fy_checksum_put(q->batch, nbytes);
	send_bytes(q, FY_TAG_BATCH, q->batch, nbytes);
	begin_batch(q);
}

void wire_peer_send_word(struct wire_peer *q, struct wire_input *in)
{
	uint8_t form = in_8(in);
	struct {
		struct fy_batch_header header;
		struct fy_crew_word word;
		uint32_t id;
		int32_t about;
		uint64_t rest[4];
	} w = { .header = { .magic = FY_WIRE_MAGIC,
		            .version = FY_WIRE_VERSION,
		            .flags = FY_BATCH_WORD },
		.word.kind = form & 1 ? FY_CREW_QUESTION : FY_CREW_REPORT };
	w.id = (uint32_t)in_near(in, 1);
	w.about = (int32_t)in_near(in, (uint64_t)q->rank);
	w.rest[0] = form & 2 ? in_near(in, 0) : 0;
	size_t nbytes = sizeof w - sizeof w.rest + sizeof w.rest[0];
	if (form & 4)
		nbytes = sizeof w.header + in_8(in) % (sizeof w - sizeof w.header + 1);
	fy_checksum_put((char *)&w, nbytes);
	send_bytes(q, FY_TAG_BATCH, &w, nbytes);
}

static const char chunk_bytes[70000];

/* `q->sum` is what an honest SUM would say, where a message is one chunk. */
static void send_chunk(struct wire_peer *q, uint64_t chunk, size_t nbytes, int tags)
{
	nbytes %= sizeof chunk_bytes;
	q->sum = fy_crc32c(chunk == q->chunk + 1 ? q->sum : 0, chunk_bytes, nbytes);
	q->chunk = chunk;
	send_bytes(q, (int)(1 + chunk % (uint64_t)tags), chunk_bytes, nbytes);
}

void wire_peer_send_chunk(struct wire_peer *q, struct wire_input *in, int tags)
{
	uint64_t chunk = in_near(in, q->xid * 4);
	send_chunk(q, chunk, in_near(in, 4096), tags);
}

/* ---- what was recorded (fuzz_seeds.c writes it) ---------------------------------------- */

void wire_peer_replay_batch(struct wire_peer *q, struct wire_input *in, uint32_t limit)
{
	struct fy_batch_header *h = (void *)q->batch;
	uint8_t flags = in_8(in);
	uint32_t nbytes = in_16(in), room = FY_BATCH_BYTES - (uint32_t)sizeof *h;
	if (nbytes > in->left)
		nbytes = (uint32_t)in->left;
	if (nbytes > room)
		nbytes = room;
	*h = (struct fy_batch_header){ .magic = FY_WIRE_MAGIC,
		                       .version = FY_WIRE_VERSION,
		                       .flags = flags,
		                       .seq = q->seq++,
		                       .accepted = q->accepted,
		                       .limit = limit };
	memcpy(h + 1, in->at, nbytes);
	in->at += nbytes;
	in->left -= nbytes;
	fy_checksum_put(q->batch, nbytes + sizeof *h);
	send_bytes(q, FY_TAG_BATCH, q->batch, nbytes + sizeof *h);
	begin_batch(q);
}

void wire_peer_replay_chunk(struct wire_peer *q, struct wire_input *in, int tags)
{
	uint64_t chunk = in_16(in);
	send_chunk(q, chunk, in_32(in), tags);
}

/* ---- records ------------------------------------------------------------------------- */

struct written {
	uint32_t word, op, stream;
	uint64_t ext;
	const void *body;
	uint32_t nbytes;
};

/* One in 32 has a word of its header replaced. */
static void put(struct wire_peer *q, struct wire_input *in, const struct written *w)
{
	uint32_t word = w->word | w->nbytes;
	if (q->fill + fy_record_size(word) > FY_BATCH_BYTES)
		return;
	struct fy_record *r = (void *)(q->batch + q->fill);
	memset(r, 0, fy_record_size(word));
	*r = (struct fy_record){ word, w->op, 0, w->stream };
	if (word & FY_EXT)
		fy_record_set_ext(r, w->ext);
	memcpy(fy_record_data(r), w->body, w->nbytes);
	q->fill += fy_record_size(word);
	q->nrecords++;
	if ((in_8(in) & 31) == 31) {
		uint32_t which = in_8(in) % 4, value = in_32(in);
		memcpy((char *)r + 4 * which, &value, sizeof value);
	}
}

/* Lengths of attachments before the body, as a small message with attachments has them. */
static void write_lengths(struct wire_input *in, char *body)
{
	uint32_t count = 1 + in_8(in) % 3;
	memcpy(body, &count, sizeof count);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t length = in_near(in, 4);
		memcpy(body + 8 + 8 * i, &length, sizeof length);
	}
}

/* A number, and perhaps a tag with a colour. */
static uint32_t in_stream(struct wire_input *in)
{
	uint8_t byte = in_8(in);
	return (byte & 3u) | (uint32_t)(byte & 0xC0u) << 24;
}

void wire_peer_put_message(struct wire_peer *q, struct wire_input *in)
{
	static const uint32_t ops[] = { 1, 2, 3, 4, 6, 300, 7, 8 };
	char body[512];
	uint8_t form = in_8(in);
	bool call = form & 1;
	struct written w = { .word = call ? FY_KIND_CALL | FY_EXT : FY_KIND_POST,
		             .op = ops[in_8(in) % 8],
		             .body = body };
	w.stream = in_stream(in);
	w.nbytes = in_8(in) * 2u;
	w.ext = call ? FIRST_CALL + in_8(in) : 0;
	w.word |= (form & 2 ? FY_HELD : 0) | (form & 4 ? FY_ATTACHED : 0);
	for (uint32_t i = 0; i < w.nbytes; i++)
		body[i] = (char)(i < 64 ? in_8(in) : i);
	if (form & 4 && w.nbytes >= 32)
		write_lengths(in, body);
	put(q, in, &w);
}

void wire_peer_put_reply(struct wire_peer *q, struct wire_input *in)
{
	char body[256] = { 0 };
	uint8_t form = in_8(in);
	struct written w = {
		.word = FY_KIND_REPLY | FY_EXT, .op = 5, .body = body, .nbytes = in_8(in)
	};
	if (form & 1) {
		struct fy_reply_error e = { (int32_t)in_near(in, (uint64_t)FERRY_EREMOTE),
			                    in_8(in) & 1 };
		w.word |= FY_ERROR;
		memcpy(body, &e, sizeof e);
	}
	w.word |= form & 2 ? FY_ATTACHED : 0;
	w.stream = in_stream(in);
	w.ext = in_near(in, q->call_ids[in_8(in) % PEER_MEMORY]);
	put(q, in, &w);
}

/* Returns what they are together. */
static uint64_t write_parts(struct wire_input *in, uint64_t *lengths, uint32_t count, bool any)
{
	uint64_t total = 0;
	for (uint32_t i = 0; i < count; i++) {
		lengths[i] = in_near(in, i ? 3000 : 5000) & (any ? UINT64_MAX : UINT16_MAX);
		total += lengths[i];
	}
	return total;
}

void wire_peer_put_announcement(struct wire_peer *q, struct wire_input *in)
{
	static const uint32_t ops[] = { 1, 2, 6, 7 };
	struct {
		struct fy_announce a;
		uint64_t lengths[LENGTHS_MAX];
	} body = { 0 };
	uint8_t form = in_8(in), kind = form & 3;
	body.a.xid = in_near(in, ++q->xid);
	body.a.first_chunk = in_near(in, q->xid * 4);
	body.a.n_parts = (uint32_t)in_near(in, 1);
	body.a.chunk_bytes = (uint32_t)in_near(in, 4096);
	body.a.flags = (uint32_t)in_near(in, form >> 6 & 1);
	body.a.status = form & 32 ? (int32_t)in_near(in, 0) : 0;
	uint32_t count = body.a.n_parts < LENGTHS_MAX ? body.a.n_parts : LENGTHS_MAX;
	if (form & 16)
		count = in_8(in) % (LENGTHS_MAX + 1);
	body.a.total = in_near(in, write_parts(in, body.lengths, count, form & 8));
	struct written w = { .word = FY_LARGE | FY_KIND_POST,
		             .op = ops[in_8(in) & 3],
		             .body = &body };
	w.nbytes = (uint32_t)sizeof body.a + 8 * count;
	w.stream = in_stream(in);
	w.ext = FIRST_CALL + q->xid;
	if (kind == 1)
		w.word = FY_LARGE | FY_KIND_CALL | FY_EXT;
	if (kind == 2) {
		w.word = FY_LARGE | FY_KIND_REPLY | FY_EXT;
		w.ext = in_near(in, q->call_ids[in_8(in) % PEER_MEMORY]);
	}
	put(q, in, &w);
}

union control {
	struct fy_ack_stream ack;
	struct fy_refused refused;
	struct fy_grant grant;
	struct fy_lost lost;
	struct fy_sum sum;
	struct fy_agree_word vote;
	struct fy_agree_news news;
	uint64_t words[40];
};

static uint32_t write_vote(struct wire_peer *q, struct wire_input *in, struct fy_agree_word *vote)
{
	uint32_t n = q->agree_heard ? q->agree.n : 1, round = q->agree_heard ? q->agree.round : 1;
	*vote = (struct fy_agree_word){ .n = (uint32_t)in_near(in, n) };
	vote->round = (uint32_t)in_near(in, round);
	vote->kind = (uint32_t)in_near(in, 1 + (in_8(in) & 1u));
	vote->verdict = (uint32_t)in_near(in, 0);
	vote->sent = in_near(in, q->issued);
	vote->done = in_near(in, q->issued);
	vote->crew = (uint32_t)in_near(in, q->agree_heard ? q->agree.crew : 0);
	return sizeof *vote;
}

static uint32_t write_control(struct wire_peer *q, struct wire_input *in, uint32_t op,
                              union control *c)
{
	switch (op) {
	case FY_OP_ACK_STREAM:
		c->ack.stream = (uint32_t)in_near(in, q->streams[in_8(in) % PEER_STREAMS]);
		c->ack.count = (uint32_t)in_near(in, 1);
		return sizeof c->ack;
	case FY_OP_REFUSED:
		c->refused.seq = (uint32_t)in_near(in, q->accepted + 1);
		c->refused.index = (uint32_t)in_near(in, 0);
		c->refused.status = (int32_t)in_near(in, (uint64_t)FERRY_EDECODE);
		return sizeof c->refused;
	case FY_OP_GRANT:
		c->grant.xid = in_near(in, q->xids[in_8(in) % PEER_MEMORY]);
		c->grant.status = (int32_t)in_near(in, 0);
		return sizeof c->grant;
	case FY_OP_LENGTHS:
		c->words[0] = in_near(in, q->xid);
		uint32_t count = in_8(in) % LENGTHS_MAX;
		for (uint32_t i = 1; i <= count; i++)
			c->words[i] = in_near(in, 100);
		return 8 + 8 * count;
	case FY_OP_LOST:
		c->lost.xid = in_near(in, q->xid);
		c->lost.started = in_near(in, 1);
		c->lost.which = in_32(in);
		c->lost.status = (int32_t)in_near(in, (uint64_t)FERRY_EMPI);
		return sizeof c->lost;
	case FY_OP_SUM:
		c->sum.xid = in_near(in, q->xid);
		c->sum.sum = (uint32_t)in_near(in, q->sum);
		return sizeof c->sum;
	case FY_OP_AGREE_UP:
	case FY_OP_AGREE_DOWN:
		return write_vote(q, in, &c->vote);
	case FY_OP_AGREE_NEWS:
		c->news.closer = (uint32_t)in_near(in, 1);
		c->news.fences = (uint32_t)in_near(in, 0);
		c->news.awaited.count = (uint32_t)in_near(in, 2);
		for (unsigned i = 0; i < FY_AWAITED_NAMED; i++)
			c->news.awaited.first[i] = (uint32_t)in_near(in, i);
		c->news.crew = (uint32_t)in_near(in, q->agree_heard ? q->agree.crew : 0);
		return sizeof c->news;
	default:
		c->words[0] = in_near(in, 4096);
		return 8;
	}
}

void wire_peer_put_control(struct wire_peer *q, struct wire_input *in)
{
	static const uint32_t ops[] = { FY_OP_ACK_STREAM, FY_OP_REFUSED,    FY_OP_GRANT,
		                        FY_OP_LENGTHS,    FY_OP_LOST,       FY_OP_AGREE_UP,
		                        FY_OP_AGREE_DOWN, FY_OP_RECALL,     FY_OP_GIVE,
		                        FY_OP_FLUSH,      FY_OP_AGREE_NEWS, FY_OP_SUM };
	union control c = { .words = { 0 } };
	struct written w = { .word = FY_KIND_CONTROL,
		             .op = ops[in_8(in) % (sizeof ops / sizeof *ops)],
		             .body = &c };
	w.nbytes = write_control(q, in, w.op, &c);
	if ((in_8(in) & 15) == 15)
		w.nbytes = in_8(in);
	put(q, in, &w);
}
