/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two roles: FIRST is rank 0, and `second` is rank 1, or rank 0 again where
 * there is only one. A check starts what the ranks here have to start, then
 * finishes it: nothing blocks in between, so that one process can play all. All
 * ranks pass the same number of gathers, whatever failed before.
 */
#include "port_conformance.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"

#define FIRST 0
#define EXPECT(c, condition) expect((c), (condition), #condition, __LINE__)

static bool expect(struct conformance *c, bool good, const char *what, int line)
{
	if (!good) {
		c->failures++;
		fprintf(stderr, "conformance: %s: line %d: not so: %s\n", c->check, line, what);
	}
	return good;
}

static int second(const struct conformance *c)
{
	return c->ranks > 1 ? 1 : 0;
}

static bool here(struct conformance *c, int rank)
{
	return c->port(c, rank) != NULL;
}

/* Bytes that tell which message they are of. */
static void fill(void *data, size_t nbytes, unsigned message)
{
	unsigned char *bytes = data;
	for (size_t i = 0; i < nbytes; i++)
		bytes[i] = (unsigned char)(message * 131 + i * 7 + (i >> 8));
}

static bool filled(const void *data, size_t nbytes, unsigned message)
{
	const unsigned char *bytes = data;
	for (size_t i = 0; i < nbytes; i++)
		if (bytes[i] != (unsigned char)(message * 131 + i * 7 + (i >> 8)))
			return false;
	return true;
}

static void *memory(size_t nbytes)
{
	void *data = malloc(nbytes != 0 ? nbytes : 1);
	if (data == NULL)
		abort();
	return data;
}

static int start_send(struct conformance *c, int from, int to, int tag, const void *data,
                      size_t nbytes, fy_request *request)
{
	fy_port *port = c->port(c, from);
	int status = port->ops->send(port, to, tag, data, nbytes, request);
	EXPECT(c, status == 0);
	return status;
}

static void start_recv(struct conformance *c, int at, int from, int tag, void *data, size_t nbytes,
                       fy_request *request)
{
	fy_port *port = c->port(c, at);
	EXPECT(c, port->ops->recv(port, from, tag, data, nbytes, request) == 0);
}

static bool look(struct conformance *c, int rank, fy_request *request)
{
	fy_port *port = c->port(c, rank);
	return port->ops->test(port, request);
}

static bool finish(struct conformance *c, int rank, fy_request *request)
{
	while (!look(c, rank, request))
		if (!c->turn(c))
			return EXPECT(c, !"a request that never ends");
	return true;
}

static void finish_sent(struct conformance *c, int rank, fy_request *request)
{
	if (finish(c, rank, request))
		EXPECT(c, request->status == 0);
}

static void finish_received(struct conformance *c, int rank, fy_request *request, int source,
                            size_t nbytes)
{
	if (!finish(c, rank, request))
		return;
	EXPECT(c, request->status == 0);
	EXPECT(c, request->source == source);
	EXPECT(c, request->nbytes == nbytes);
}

/* ---- what is matched with what ------------------------------------------- */

#define RUN 40

static size_t run_size(int i)
{
	return (size_t)(i % 5) * 3000 + (size_t)i; /* over and under what is sent eagerly */
}

/* Receives from `posted` on are started only after all sends. */
static void exchange_run(struct conformance *c, int posted, int source)
{
	static unsigned char out[RUN][16384], in[RUN][16384];
	static fy_request sent[RUN], received[RUN];
	for (int i = 0; i < posted && here(c, second(c)); i++)
		start_recv(c, second(c), source, FY_TAG_BATCH, in[i], sizeof in[i], &received[i]);
	c->gather(c);
	for (int i = 0; i < RUN && here(c, FIRST); i++) {
		fill(out[i], run_size(i), (unsigned)i);
		start_send(c, FIRST, second(c), FY_TAG_BATCH, out[i], run_size(i), &sent[i]);
	}
	c->gather(c);
	for (int i = posted; i < RUN && here(c, second(c)); i++)
		start_recv(c, second(c), source, FY_TAG_BATCH, in[i], sizeof in[i], &received[i]);
	for (int i = RUN - 1; i >= 0 && here(c, second(c)); i--) {
		finish_received(c, second(c), &received[i], FIRST, run_size(i));
		EXPECT(c, filled(in[i], run_size(i), (unsigned)i));
	}
	for (int i = 0; i < RUN && here(c, FIRST); i++)
		finish_sent(c, FIRST, &sent[i]);
}

static void matching_is_in_order_for_posted_receives(struct conformance *c)
{
	exchange_run(c, RUN, FIRST);
	exchange_run(c, RUN, FY_PORT_ANY);
}

static void unexpected_messages_are_kept_in_order(struct conformance *c)
{
	exchange_run(c, 0, FIRST);
	exchange_run(c, 0, FY_PORT_ANY);
	exchange_run(c, RUN / 2, FY_PORT_ANY);
}

static void tags_are_apart(struct conformance *c)
{
	int tags[] = { 7, FY_TAG_BATCH, 32767, 15 }; /* 7 and 15: what a table by tag may confuse */
	int in[4] = { 0 }, out[4] = { 100, 101, 102, 103 };
	fy_request sent[4], received[4];
	for (int i = 0; i < 4 && here(c, FIRST); i++)
		start_send(c, FIRST, second(c), tags[i], &out[i], sizeof out[i], &sent[i]);
	for (int i = 3; i >= 0 && here(c, second(c)); i--)
		start_recv(c, second(c), i % 2 != 0 ? FIRST : FY_PORT_ANY, tags[i], &in[i],
		           sizeof in[i], &received[i]);
	for (int i = 0; i < 4 && here(c, second(c)); i++) {
		finish_received(c, second(c), &received[i], FIRST, sizeof in[i]);
		EXPECT(c, in[i] == 100 + i);
	}
	for (int i = 0; i < 4 && here(c, FIRST); i++)
		finish_sent(c, FIRST, &sent[i]);
}

static void any_source_hears_every_rank_once(struct conformance *c)
{
	int n = c->ranks, *out = memory((size_t)n * sizeof *out),
	    *in = memory((size_t)n * sizeof *in);
	fy_request *sent = memory((size_t)n * sizeof *sent),
		   *received = memory((size_t)n * sizeof *received);
	int heard = 0;
	for (int r = 0; r < n && here(c, FIRST); r++)
		start_recv(c, FIRST, FY_PORT_ANY, 3, &in[r], sizeof in[r], &received[r]);
	for (int r = 0; r < n; r++) {
		out[r] = 1000 + r;
		if (here(c, r))
			start_send(c, r, FIRST, 3, &out[r], sizeof out[r], &sent[r]);
	}
	for (int r = 0; r < n && here(c, FIRST); r++) {
		finish(c, FIRST, &received[r]);
		EXPECT(c, received[r].status == 0 && in[r] == 1000 + received[r].source);
		heard += in[r] - 1000;
	}
	if (here(c, FIRST))
		EXPECT(c, heard == n * (n - 1) / 2);
	for (int r = 0; r < n; r++)
		if (here(c, r))
			finish_sent(c, r, &sent[r]);
	free(out), free(in), free(sent), free(received);
}

static void a_named_source_is_the_only_one_heard(struct conformance *c)
{
	int n = c->ranks, *out = memory((size_t)n * sizeof *out), in = 0;
	fy_request *sent = memory((size_t)n * sizeof *sent), received;
	for (int r = 0; r < n; r++) {
		out[r] = 2000 + r;
		if (here(c, r))
			start_send(c, r, FIRST, 4, &out[r], sizeof out[r], &sent[r]);
	}
	c->gather(c);
	for (int r = n - 1; r >= 0 && here(c, FIRST); r--) {
		start_recv(c, FIRST, r, 4, &in, sizeof in, &received);
		finish_received(c, FIRST, &received, r, sizeof in);
		EXPECT(c, in == 2000 + r);
	}
	for (int r = 0; r < n; r++)
		if (here(c, r))
			finish_sent(c, r, &sent[r]);
	free(out), free(sent);
}

static void messages_may_be_empty(struct conformance *c)
{
	fy_request sent[2], received[2];
	char room[4] = "abc";
	if (here(c, FIRST)) {
		start_send(c, FIRST, second(c), 5, NULL, 0, &sent[0]);
		start_send(c, FIRST, second(c), 6, room, 0, &sent[1]);
	}
	if (here(c, second(c))) {
		start_recv(c, second(c), FIRST, 5, NULL, 0, &received[0]);
		start_recv(c, second(c), FY_PORT_ANY, 6, room, sizeof room, &received[1]);
		finish_received(c, second(c), &received[0], FIRST, 0);
		finish_received(c, second(c), &received[1], FIRST, 0);
	}
	for (int i = 0; i < 2 && here(c, FIRST); i++)
		finish_sent(c, FIRST, &sent[i]);
}

static void what_is_too_long_is_cut_off(struct conformance *c)
{
	enum { SHORT = 50, LONG = 300000 };
	size_t sizes[3] = { 100, LONG, SHORT };
	unsigned char *out = memory(LONG), *in = memory(3 * 64);
	fy_request sent[3], received[3];
	for (int i = 0; i < 2 && c->never_truncate; i++)
		sizes[i] = SHORT;
	fill(out, LONG, 9);
	memset(in, 0x55, 3 * 64);
	for (int i = 0; i < 3 && here(c, second(c)); i++)
		start_recv(c, second(c), FIRST, 8, in + i * 64, SHORT, &received[i]);
	for (int i = 0; i < 3 && here(c, FIRST); i++)
		start_send(c, FIRST, second(c), 8, out, sizes[i], &sent[i]);
	for (int i = 0; i < 3 && here(c, second(c)); i++) {
		if (finish(c, second(c), &received[i]))
			EXPECT(c, received[i].source == (sizes[i] > SHORT ? FY_PORT_ANY : FIRST));
		EXPECT(c, received[i].status == (sizes[i] > SHORT ? FERRY_ETRUNC : 0));
		EXPECT(c, received[i].nbytes == (sizes[i] > SHORT ? 0 : SHORT));
		EXPECT(c, in[i * 64 + SHORT] == 0x55 && in[i * 64 + 63] == 0x55);
	}
	if (here(c, second(c)))
		EXPECT(c, filled(in + 2 * 64, SHORT, 9));
	for (int i = 0; i < 3 && here(c, FIRST); i++)
		finish_sent(c, FIRST, &sent[i]);
	free(out), free(in);
}

/* ---- when it is done ----------------------------------------------------- */

static void a_receive_is_not_done_before_its_message(struct conformance *c)
{
	int in = 0, out = 77;
	fy_request sent, received;
	if (here(c, second(c)))
		start_recv(c, second(c), FIRST, 9, &in, sizeof in, &received);
	for (int i = 0; i < 5; i++) {
		if (here(c, second(c)))
			EXPECT(c, !look(c, second(c), &received));
		c->gather(c);
	}
	if (here(c, FIRST))
		start_send(c, FIRST, second(c), 9, &out, sizeof out, &sent);
	if (here(c, second(c))) {
		finish_received(c, second(c), &received, FIRST, sizeof in);
		EXPECT(c, in == 77);
	}
	if (here(c, FIRST))
		finish_sent(c, FIRST, &sent);
}

/* The sender writes over each buffer the moment that its send is done, and the
 * receiver begins late and in another order: whatever was read after "done"
 * would be seen. */
static void memory_is_the_sender_s_again_once_done(struct conformance *c)
{
	static const size_t sizes[] = { 1, 100, 5000, 8192, 65536, 1048576, 3000001 };
	enum { N = sizeof sizes / sizeof sizes[0] };
	unsigned char *out[N], *in[N];
	fy_request sent[N], received[N];
	bool done[N] = { false };
	for (int i = 0; i < N; i++) {
		out[i] = memory(sizes[i]);
		in[i] = memory(sizes[i]);
		fill(out[i], sizes[i], (unsigned)i);
		if (here(c, FIRST))
			start_send(c, FIRST, second(c), 20 + i, out[i], sizes[i], &sent[i]);
	}
	c->gather(c);
	for (int i = 0; i < N && here(c, FIRST); i++)
		if ((done[i] = look(c, FIRST, &sent[i])))
			memset(out[i], 0xAA, sizes[i]);
	c->gather(c);
	for (int i = N - 1; i >= 0 && here(c, second(c)); i--)
		start_recv(c, second(c), FIRST, 20 + i, in[i], sizes[i], &received[i]);
	for (int i = 0; i < N && here(c, FIRST); i++)
		if (!done[i]) {
			finish_sent(c, FIRST, &sent[i]);
			memset(out[i], 0xAA, sizes[i]);
		}
	for (int i = 0; i < N; i++) {
		if (here(c, second(c))) {
			finish_received(c, second(c), &received[i], FIRST, sizes[i]);
			EXPECT(c, filled(in[i], sizes[i], (unsigned)i));
		}
		free(out[i]), free(in[i]);
	}
}

/* Where somebody can tell: the sender changes a byte of what is under way, or
 * the receiver one of what it waits for. */
static void memory_that_is_used_too_early_is_noticed(struct conformance *c)
{
	static const size_t sizes[] = { 1, 4000, 200000 };
	for (int i = 0; i < 6 && c->misuses != NULL; i++) {
		size_t nbytes = sizes[i % 3];
		unsigned char *out = memory(nbytes), *in = memory(nbytes);
		unsigned before = c->misuses(c);
		fy_request sent, received;
		fill(out, nbytes, 3);
		start_recv(c, second(c), FIRST, 30, in, nbytes, &received);
		start_send(c, FIRST, second(c), 30, out, nbytes, &sent);
		EXPECT(c, c->misuses(c) == before);
		if (i < 3)
			out[nbytes - 1] ^= 1;
		else
			in[0] ^= 1;
		finish(c, second(c), &received);
		finish(c, FIRST, &sent);
		EXPECT(c, c->misuses(c) > before);
		free(out), free(in);
	}
}

/* ---- what does not end well ---------------------------------------------- */

static void cancel(struct conformance *c, int rank, fy_request *request)
{
	fy_port *port = c->port(c, rank);
	port->ops->cancel(port, request);
}

static void a_cancelled_receive_ends_and_takes_nothing(struct conformance *c)
{
	int never = 5, in = 0, out = 88;
	fy_request canceled, sent, received;
	if (here(c, second(c))) {
		start_recv(c, second(c), FY_PORT_ANY, 40, &never, sizeof never, &canceled);
		cancel(c, second(c), &canceled);
		if (finish(c, second(c), &canceled))
			EXPECT(c, canceled.status == FERRY_ECANCELED);
		start_recv(c, second(c), FIRST, 40, &in, sizeof in, &received);
	}
	c->gather(c);
	if (here(c, FIRST)) {
		start_send(c, FIRST, second(c), 40, &out, sizeof out, &sent);
		finish_sent(c, FIRST, &sent);
	}
	if (here(c, second(c))) {
		finish_received(c, second(c), &received, FIRST, sizeof in);
		EXPECT(c, in == 88);
	}
}

/* The message is on its way: it comes to the receive or to the next one. */
static void cancel_races_with_a_message(struct conformance *c)
{
	for (int i = 0; i < 20; i++) {
		int in[2] = { 0, 0 }, out = 300 + i, which = 0;
		fy_request sent, received;
		if (here(c, second(c)))
			start_recv(c, second(c), FIRST, 41, &in[0], sizeof in[0], &received);
		if (i % 4 == 0)
			c->gather(c);
		if (here(c, FIRST))
			start_send(c, FIRST, second(c), 41, &out, sizeof out, &sent);
		if (i % 4 == 1)
			c->gather(c);
		if (here(c, second(c))) {
			for (int turns = 0; turns < i % 3; turns++)
				c->turn(c);
			cancel(c, second(c), &received);
			finish(c, second(c), &received);
			if (received.status == FERRY_ECANCELED) {
				which = 1;
				start_recv(c, second(c), FIRST, 41, &in[1], sizeof in[1],
				           &received);
				finish(c, second(c), &received);
			}
			EXPECT(c, received.status == 0 && received.nbytes == sizeof in[0] &&
			                  in[which] == 300 + i);
		}
		if (here(c, FIRST))
			finish_sent(c, FIRST, &sent);
	}
}

static void a_refused_send_has_a_text_and_starts_nothing(struct conformance *c)
{
	int out[2] = { 1, 2 }, in = 0;
	fy_request sent, received;
	if (here(c, FIRST)) {
		fy_port *port = c->port(c, FIRST);
		c->refuse(c, FIRST);
		EXPECT(c, port->ops->send(port, second(c), 50, &out[0], sizeof out[0], &sent) ==
		                  FERRY_EMPI);
		EXPECT(c, port->ops->error(port) != NULL && strlen(port->ops->error(port)) > 10);
		start_send(c, FIRST, second(c), 50, &out[1], sizeof out[1], &sent);
	}
	if (here(c, second(c))) {
		start_recv(c, second(c), FIRST, 50, &in, sizeof in, &received);
		finish_received(c, second(c), &received, FIRST, sizeof in);
		EXPECT(c, in == 2);
	}
	if (here(c, FIRST))
		finish_sent(c, FIRST, &sent);
}

static void what_cannot_be_sent_is_refused(struct conformance *c)
{
	struct {
		int rank, tag;
		size_t nbytes;
	} wrong[5] = {
		{ -1, 1, 4 }, { -7, 1, 4 }, { c->ranks, 1, 4 }, { FIRST, -2, 4 }, { FIRST, 1, 0 }
	};
	fy_port *port = c->port(c, FIRST);
	char byte[4] = "x";
	fy_request request;
	if (port == NULL)
		return;
	wrong[4].nbytes = port->chunk_max + 1;
	for (int i = 0; i < 5; i++) {
		EXPECT(c, port->ops->send(port, wrong[i].rank, wrong[i].tag, byte, wrong[i].nbytes,
		                          &request) == FERRY_EMPI);
		EXPECT(c, strlen(port->ops->error(port)) > 10);
		if (i != 0)
			EXPECT(c, port->ops->recv(port, wrong[i].rank, wrong[i].tag, byte,
			                          wrong[i].nbytes, &request) == FERRY_EMPI);
	}
}

/* ---- the rest ------------------------------------------------------------ */

static void limits_are_stated_and_kept(struct conformance *c)
{
	int in = 0, out = 99;
	fy_request sent, received;
	for (int r = 0; r < c->ranks; r++) {
		fy_port *port = c->port(c, r);
		if (port == NULL)
			continue;
		EXPECT(c, port->rank == r && port->size == c->ranks);
		EXPECT(c, port->chunk_max >= (1 << 20) && port->chunk_max <= INT32_MAX);
	}
	if (here(c, FIRST))
		start_send(c, FIRST, second(c), c->port(c, FIRST)->tag_max, &out, sizeof out,
		           &sent);
	if (here(c, second(c))) {
		start_recv(c, second(c), FIRST, c->port(c, second(c))->tag_max, &in, sizeof in,
		           &received);
		finish_received(c, second(c), &received, FIRST, sizeof in);
		EXPECT(c, in == 99);
	}
	if (here(c, FIRST))
		finish_sent(c, FIRST, &sent);
}

static void time_goes_on(struct conformance *c)
{
	int rank = here(c, FIRST) ? FIRST : c->ranks - 1;
	int out = 1, in;
	fy_request sent, received;
	while (!here(c, rank))
		rank--;
	fy_port *port = c->port(c, rank);
	int64_t before = port->ops->now(port);
	start_recv(c, rank, rank, 51, &in, sizeof in, &received);
	start_send(c, rank, rank, 51, &out, sizeof out, &sent);
	finish_sent(c, rank, &sent);
	finish_received(c, rank, &received, rank, sizeof in);
	EXPECT(c, port->ops->now(port) > before);
}

static void doorbells_are_shared(struct conformance *c)
{
	bool local = true;
	for (int r = 0; r < c->ranks; r++) {
		fy_port *port = c->port(c, r);
		if (port == NULL)
			continue;
		uint32_t *mine = port->ops->doorbell(port, r);
		if (!EXPECT(c, mine != NULL))
			continue;
		*(volatile uint32_t *)mine = 0;
	}
	c->gather(c);
	for (int r = 0; r < c->ranks; r++) /* everybody writes to the next */
		for (int to = 0; to < c->ranks && here(c, r); to++) {
			fy_port *port = c->port(c, r);
			volatile uint32_t *bell = port->ops->doorbell(port, to);
			local = local && bell != NULL;
			if (bell != NULL && to == (r + 1) % c->ranks)
				*bell = 4000 + (uint32_t)r;
			EXPECT(c, bell != NULL || !port->all_local);
		}
	c->gather(c);
	for (int r = 0; r < c->ranks; r++) {
		fy_port *port = c->port(c, r);
		int from = (r + c->ranks - 1) % c->ranks;
		if (port != NULL && port->ops->doorbell(port, from) != NULL)
			EXPECT(c, *(volatile uint32_t *)port->ops->doorbell(port, r) ==
			                  4000 + (uint32_t)from);
	}
}

static void the_rank_that_differs_is_named(struct conformance *c)
{
	int last = c->ranks - 1;
	for (int odd = 0; odd < 2; odd++)
		for (int r = 0; r < c->ranks; r++) {
			fy_port *port = c->port(c, r);
			char mine[8] = "same", theirs[8] = "";
			int who = -1, status;
			if (port == NULL)
				continue;
			if (odd && r == last)
				memcpy(mine, "other", 6);
			status = port->ops->agree(port, mine, theirs, sizeof mine, &who);
			if (!odd || last == 0)
				EXPECT(c, status == 0);
			else if (r == last || status != 0)
				EXPECT(c, status == FERRY_ENOTSUP && who == last &&
				                  strcmp(theirs, "same") == 0);
		}
	c->gather(c);
}

/* ---- all at once --------------------------------------------------------- */

#define CROWD 60 /* messages from each rank to each */

struct parcel {
	unsigned char *data;
	size_t nbytes;
	fy_request request;
	bool done;
};

static size_t crowd_size(int from, int to, int i)
{
	unsigned x = (unsigned)(from * 7919 + to * 104729 + i * 1299709) * 2654435761u;
	return (x >> 28) == 0 ? 20000 + (x >> 12) % 90000 : (x >> 12) % 600;
}

static unsigned crowd_name(int from, int to, int i)
{
	return (unsigned)(from * 10007 + to * 101 + i);
}

/* The i-th of each pair has a tag of its own: i is what is waited for. */
static void crowd_start(struct conformance *c, int rank, struct parcel *out, struct parcel *in)
{
	for (int peer = 0; peer < c->ranks; peer++)
		for (int i = 0; i < CROWD; i++) {
			struct parcel *p = &in[peer * CROWD + CROWD - 1 - i];
			*p = (struct parcel){ .nbytes = crowd_size(peer, rank, CROWD - 1 - i) };
			p->data = memory(p->nbytes);
			start_recv(c, rank, peer, 100 + CROWD - 1 - i, p->data, p->nbytes,
			           &p->request);
			p = &out[peer * CROWD + i];
			*p = (struct parcel){ .nbytes = crowd_size(rank, peer, i) };
			p->data = memory(p->nbytes);
			fill(p->data, p->nbytes, crowd_name(rank, peer, i));
			start_send(c, rank, peer, 100 + i, p->data, p->nbytes, &p->request);
		}
}

static void crowd_check(struct conformance *c, int rank, int index, struct parcel *in)
{
	int peer = index / CROWD, i = index % CROWD;
	EXPECT(c, in->request.status == 0 && in->request.source == peer &&
	                  in->request.nbytes == in->nbytes);
	EXPECT(c, filled(in->data, in->nbytes, crowd_name(peer, rank, i)));
}

static int crowd_step(struct conformance *c, int rank, struct parcel *parcels, bool received)
{
	int done = 0;
	for (int k = 0; k < c->ranks * CROWD; k++) {
		struct parcel *p = &parcels[k];
		if (p->done || !look(c, rank, &p->request))
			continue;
		p->done = true;
		done++;
		if (received)
			crowd_check(c, rank, k, p);
		memset(p->data, 0, p->nbytes);
		free(p->data);
	}
	return done;
}

static void everybody_sends_to_everybody(struct conformance *c)
{
	size_t each = (size_t)c->ranks * CROWD, room = each * (size_t)c->ranks;
	struct parcel *out = memory(room * sizeof *out), *in = memory(room * sizeof *in);
	size_t left = 0;
	for (int r = 0; r < c->ranks; r++)
		if (here(c, r)) {
			crowd_start(c, r, out + (size_t)r * each, in + (size_t)r * each);
			left += 2 * each;
		}
	while (left > 0) {
		size_t before = left;
		for (int r = 0; r < c->ranks; r++)
			if (here(c, r)) {
				left -= (size_t)crowd_step(c, r, out + (size_t)r * each, false);
				left -= (size_t)crowd_step(c, r, in + (size_t)r * each, true);
			}
		if (left == before && !c->turn(c))
			break;
	}
	EXPECT(c, left == 0);
	free(out), free(in);
}

/* -------------------------------------------------------------------------- */

#define CHECK(name)         \
	{                   \
#name, name \
	}

const struct conformance_check conformance_checks[] = {
	CHECK(limits_are_stated_and_kept),
	CHECK(matching_is_in_order_for_posted_receives),
	CHECK(unexpected_messages_are_kept_in_order),
	CHECK(tags_are_apart),
	CHECK(any_source_hears_every_rank_once),
	CHECK(a_named_source_is_the_only_one_heard),
	CHECK(messages_may_be_empty),
	CHECK(what_is_too_long_is_cut_off),
	CHECK(a_receive_is_not_done_before_its_message),
	CHECK(memory_is_the_sender_s_again_once_done),
	CHECK(memory_that_is_used_too_early_is_noticed),
	CHECK(a_cancelled_receive_ends_and_takes_nothing),
	CHECK(cancel_races_with_a_message),
	CHECK(a_refused_send_has_a_text_and_starts_nothing),
	CHECK(what_cannot_be_sent_is_refused),
	CHECK(time_goes_on),
	CHECK(doorbells_are_shared),
	CHECK(the_rank_that_differs_is_named),
	CHECK(everybody_sends_to_everybody),
	{ NULL, NULL },
};

unsigned conformance_run_one(struct conformance *c, const struct conformance_check *check)
{
	unsigned before = c->failures;
	c->check = check->name;
	c->gather(c);
	check->run(c);
	c->gather(c);
	return c->failures - before;
}

unsigned conformance_run(struct conformance *c)
{
	unsigned failures = 0;
	for (const struct conformance_check *check = conformance_checks; check->name != NULL;
	     check++)
		failures += conformance_run_one(c, check);
	return failures;
}
