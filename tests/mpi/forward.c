/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ranks whose inline handlers forward every message to each other under full queues: a million
 * messages, none lost or doubled, no deadlock.
 *
 * A handler cannot wait for room: it gets FERRY_EAGAIN. What it could not forward it puts on a
 * backlog, which later handlers and the main thread, which may wait, work off.
 *
 * usage: forward [messages]
 */
#include "system.h"

enum { TOKENS = 20000, OP = 1, BODY = 400 };

/* Goes back and forth until it has no hops left. */
struct token {
	uint32_t home; /* the rank that it started from */
	uint32_t number;
	uint32_t hops;
	char load[BODY - 12];
};

static ferry *engine;
static int peer;
static uint32_t hops;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* over all that follows */
static struct token *backlog;                            /* a ring */
static uint64_t backlog_first, backlog_end;
static uint64_t received, refused;
static uint32_t *left[2]; /* hops that each token had left when it was last here; [1]: the peer's */

static struct token *backlog_at(uint64_t place)
{
	return &backlog[place % (2 * TOKENS)];
}

/* Forwards from the backlog while there is room. Under lock, on the progress thread. */
static void forward_some(void)
{
	while (backlog_first < backlog_end) {
		int status = ferry_post(engine, peer, OP, backlog_at(backlog_first),
		                        sizeof *backlog, NULL);

		if (status == FERRY_EAGAIN) {
			refused++;
			return;
		}
		CHECK_OK(status);
		backlog_first++;
	}
}

/* A token comes here at every second hop: each time it has two hops less, so none is doubled. */
static void check_token(const struct token *token)
{
	uint32_t *last;

	CHECK(token->number < TOKENS);
	last = &left[(int)token->home != ferry_rank(engine)][token->number];
	CHECK_INT(token->hops, *last);
	*last = token->hops - 2;
}

static void receive(ferry *on, ferry_message *message, void *arg)
{
	struct token token;
	size_t nbytes;
	const void *body = ferry_message_body(message, &nbytes);

	(void)on;
	(void)arg;
	CHECK_INT(nbytes, sizeof token);
	memcpy(&token, body, sizeof token);
	pthread_mutex_lock(&lock);
	check_token(&token);
	received++;
	if (--token.hops) {
		CHECK(backlog_end - backlog_first < 2 * TOKENS);
		*backlog_at(backlog_end++) = token;
	}
	forward_some();
	pthread_mutex_unlock(&lock);
}

static void start_tokens(void)
{
	struct token token = { .home = (uint32_t)ferry_rank(engine), .hops = hops };

	for (; token.number < TOKENS; token.number++)
		CHECK_OK(ferry_post(engine, peer, OP, &token, sizeof token, NULL));
}

/* The main thread may wait for room, so it takes one from the backlog and posts it without
 * the lock. */
static bool forward_one(void)
{
	struct token token;
	bool found;

	pthread_mutex_lock(&lock);
	found = backlog_first < backlog_end;
	if (found)
		token = *backlog_at(backlog_first++);
	pthread_mutex_unlock(&lock);
	if (found)
		CHECK_OK(ferry_post(engine, peer, OP, &token, sizeof token, NULL));
	return found;
}

/* All came that ever will come here, and all of it was forwarded. */
static bool all_done(uint64_t expected)
{
	bool done;

	pthread_mutex_lock(&lock);
	done = received >= expected && backlog_first == backlog_end;
	pthread_mutex_unlock(&lock);
	return done;
}

/* An own token comes here first with one hop behind it, a token of the peer with none. */
static void prepare(void)
{
	backlog = calloc(2 * TOKENS, sizeof *backlog);
	CHECK(backlog);
	for (int i = 0; i < 2; i++) {
		left[i] = calloc(TOKENS, sizeof **left);
		CHECK(left[i]);
		for (uint32_t n = 0; n < TOKENS; n++)
			left[i][n] = i == 0 ? hops - 1 : hops;
	}
}

int main(int argc, char **argv)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	uint64_t messages = check_scaled(argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000), expected;
	double start;
	int rank, size;

	system_watch();
	/* less than the tokens need, so that queues fill */
	options.receive_memory = options.send_memory = 2 << 20;
	hops = (uint32_t)(messages / (2 * TOKENS) + 2) / 2 * 2;
	engine = system_open(&options);
	rank = ferry_rank(engine);
	size = ferry_size(engine);
	if (size != 2)
		CHECK_SKIP("forward is for two ranks");
	peer = 1 - rank;
	prepare();
	expected = (uint64_t)TOKENS * hops; /* half of the hops of own tokens and of the peer's */
	CHECK_OK(ferry_handle(engine, OP, FERRY_INLINE, receive, NULL));
	start = system_now();
	start_tokens();
	while (!all_done(expected))
		if (!forward_one())
			system_sleep_ms(1);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	start = system_now() - start;
	CHECK_OK(ferry_close(engine));
	CHECK_INT(received, expected);
	CHECK(backlog_first == backlog_end);
	CHECK(refused > 0); /* else the queues were never full */
	for (int i = 0; i < 2; i++)
		free(left[i]);
	free(backlog);
	if (rank == 0)
		printf("forward: %ju messages between 2 ranks whose handlers forward them, %ju "
		       "times without room at rank 0: none lost, in %.2f s\n",
		       (uintmax_t)(2 * expected), (uintmax_t)refused, start);
	return 0;
}
