/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inquiry. It is a client of the own server, by a pair of sockets: it asks for the picture of
 * this rank, then for those of the others, pauses, and does so once more. Two rounds are what a
 * verdict needs (watch/verdict.h).
 *
 * Of many ranks that stand still one is enough. Who has been asked while it stands still leaves it
 * to the one that asked, and of two that ask at a time the lower one speaks. If nothing comes of
 * that a rank asks itself, much later. What is not proved is asked for again after twice the time.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "query/inquiry.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/clock.h"
#include "base/helper.h"
#include "base/list.h"
#include "base/log.h"
#include "base/order.h"
#include "query/answer.h"
#include "query/protocol.h"
#include "query/server.h"
#include "shared/engine.h"
#include "watch/picture.h"
#include "watch/story.h"
#include "watch/verdict.h"

#define RANKS_MAX 4096 /* each costs two pictures while it is asked */
#define LOOKS 8        /* in stuck_after */
#define LOOK_MIN FERRY_MS(10)
#define LOOK_MAX FERRY_S(5)
#define APART FERRY_MS(20) /* a rank begins so much later than the one below it */
#define APART_MAX FERRY_S(5)
#define AFTER_OTHERS 16 /* times stuck_after: it asks although it has been asked */
#define TIME_MS 4000u   /* for the answers of a round */
#define PATIENCE_MS 2000u
#define TEXT_BYTES 8192

/* What is asked for next; two rounds. */
enum step { OWN, OTHERS, OWN_AGAIN, OTHERS_AGAIN, JUDGE };

struct fy_inquiry {
	struct fy_helped timer; /* it looks, and begins each step */
	struct fy_helped line;  /* to the server, which ends each step in time */
	ferry *engine;
	struct fy_query *query;
	int64_t next;  /* ns that nothing must have moved for it to ask */
	bool turn;     /* it has let those below it begin */
	int64_t since; /* ns: when it began to ask, or left it to another rank */
	enum step step;
	struct fy_picture **pictures; /* by rank: of the first round, then of the second one */
};

/* ---- asking -------------------------------------------------------------------------------- */

static void hang_up(struct fy_inquiry *q)
{
	fy_helper_remove(&q->line);
	if (q->line.fd >= 0)
		close(q->line.fd);
	q->line.fd = -1;
}

static void forget(struct fy_inquiry *q)
{
	for (int i = 0; q->pictures && i < 2 * q->engine->size; i++)
		free(q->pictures[i]);
	free(q->pictures);
	q->pictures = NULL;
	q->engine->totals.stillness.asks = false;
	hang_up(q);
}

static size_t write_request(const struct fy_inquiry *q, void *record)
{
	bool others = q->step == OTHERS || q->step == OTHERS_AGAIN;
	struct fy_query_request request = { .magic = FY_QUERY_MAGIC,
		                            .version = FY_QUERY_VERSION,
		                            .what = others ? FY_QUERY_JOB : FY_QUERY_ENGINE,
		                            .time = TIME_MS,
		                            .patience = PATIENCE_MS,
		                            .size = others ? q->engine->size : 0 };
	uint64_t set[RANKS_MAX / 64] = { 0 };
	size_t nbytes = others ? fy_bits_words(q->engine->size) * sizeof *set : 0;
	for (int rank = 0; rank < q->engine->size; rank++)
		fy_bits_add(set, rank);
	memcpy(record, &request, sizeof request);
	memcpy((char *)record + sizeof request, set, nbytes);
	return sizeof request + nbytes;
}

/* False: the server has no room, or there is no descriptor. */
static bool ask(struct fy_inquiry *q)
{
	char record[sizeof(struct fy_query_request) + RANKS_MAX / 8];
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
		return false;
	q->line.fd = ends[0];
	size_t nbytes = write_request(q, record);
	bool sent = fy_server_take(q->query, ends[1]) && fy_helper_add(&q->line) == FERRY_OK &&
	            send(ends[0], record, nbytes, MSG_NOSIGNAL) == (ssize_t)nbytes;
	if (!sent)
		hang_up(q);
	return sent;
}

/* ---- the verdict --------------------------------------------------------------------------- */

static void tell(const struct fy_inquiry *q, const struct fy_verdict_of *job)
{
	char *text = malloc(TEXT_BYTES), *rest = text, *line;
	if (!text)
		return;
	fy_story_tell(job, text, TEXT_BYTES);
	const char *head = strsep(&rest, "\n"); /* the verdict */
	fy_log_say(q->engine->log, q->engine->rank, "this job is stuck (stuck_after), %s", head);
	while ((line = strsep(&rest, "\n")))
		if (*line)
			fy_log_say(q->engine->log, q->engine->rank, "%s", line);
	free(text);
}

/* Has another rank asked this one since that time? */
static bool is_later(const uint64_t *asked_at, int64_t since)
{
	return (int64_t)fy_load_relaxed_64(asked_at) > since;
}

/* Another rank asks: that one tells. */
static void leave_it(struct fy_inquiry *q)
{
	q->next = AFTER_OTHERS * q->engine->totals.stillness.still;
	q->since = fy_clock_now();
	q->turn = false;
}

static void judge(struct fy_inquiry *q)
{
	const struct fy_picture *const *of = (const struct fy_picture *const *)q->pictures;
	struct fy_verdict_of job = { of, of + q->engine->size, q->engine->size };
	const struct fy_stillness *stillness = &q->engine->totals.stillness;
	bool proved = fy_verdict(&job) == FY_VERDICT_PROVED;
	q->next = proved ? INT64_MAX : 2 * stillness->still;
	if (is_later(&stillness->asked_by_lower_at, q->since))
		leave_it(q);
	else if (proved)
		tell(q, &job);
	forget(q);
}

/* ---- answers ------------------------------------------------------------------------------- */

static void keep(struct fy_inquiry *q, const struct fy_query_reply *reply, const char *rest)
{
	struct fy_answer answer;
	int second = q->step >= OWN_AGAIN ? q->engine->size : 0;
	struct fy_picture **place = &q->pictures[second + reply->about];
	if (reply->from != reply->about || *place ||
	    !fy_answer_read(&answer, rest, reply->nbytes, reply->about, q->engine->size) ||
	    !answer.has_picture || answer.source == FY_ANSWER_FILE)
		return;
	*place = malloc(sizeof **place); /* without it that rank is silent: nothing is proved */
	if (*place)
		**place = answer.picture;
}

/* One step is over: the next one. */
static void go_on(struct fy_inquiry *q)
{
	hang_up(q);
	q->step++;
	q->timer.due_at = fy_clock_now() + (q->step == OWN_AGAIN ? FY_VERDICT_APART : 0);
}

/* False: it has said all, or what it says is of no use. */
static bool take(struct fy_inquiry *q, const char *record, ssize_t nbytes)
{
	struct fy_query_reply reply;
	const char *rest;
	if (nbytes <= 0 ||
	    !fy_protocol_read_reply(record, (size_t)nbytes, q->engine->size, &reply, &rest))
		return false;
	if (reply.kind == FY_QUERY_ANSWER)
		keep(q, &reply, rest);
	return reply.kind == FY_QUERY_ANSWER;
}

static void listen_to(struct fy_helped *self, unsigned why)
{
	struct fy_inquiry *q = fy_container_of(self, struct fy_inquiry, line);
	char record[FY_QUERY_RECORD];
	bool more = !(why & FY_HELP_LOST);
	while (more) {
		ssize_t n = recv(q->line.fd, record, sizeof record, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		more = take(q, record, n);
	}
	go_on(q);
}

/* ---- when ---------------------------------------------------------------------------------- */

/* Is it time to ask? */
static bool is_time(struct fy_inquiry *q)
{
	int64_t still = q->engine->totals.stillness.still;
	if (still < q->engine->options.stuck_after) { /* something has moved */
		q->next = 0;
		q->since = fy_clock_now() - still;
		q->turn = false;
		return false;
	}
	if (still < q->next)
		return false;
	if (!q->turn) {
		int64_t later = q->engine->rank * APART;
		q->turn = true;
		q->timer.due_at = fy_clock_now() + (later < APART_MAX ? later : APART_MAX);
		return false;
	}
	if (!is_later(&q->engine->totals.stillness.asked_at, q->since))
		return true;
	leave_it(q);
	return false;
}

static bool begin(struct fy_inquiry *q)
{
	q->pictures = calloc(2 * (size_t)q->engine->size, sizeof *q->pictures);
	if (!q->pictures)
		return false;
	q->engine->totals.stillness.asks = true;
	q->step = OWN;
	q->since = fy_clock_now();
	return true;
}

static void step(struct fy_inquiry *q)
{
	if (q->step == JUDGE)
		judge(q);
	else if (!ask(q))
		forget(q); /* later again */
}

static void look_later(struct fy_inquiry *q)
{
	int64_t period = q->engine->options.stuck_after / LOOKS;
	period = period < LOOK_MIN ? LOOK_MIN : period > LOOK_MAX ? LOOK_MAX : period;
	q->timer.due_at = fy_clock_now() + period;
}

static void look(struct fy_helped *self, unsigned why)
{
	struct fy_inquiry *q = fy_container_of(self, struct fy_inquiry, timer);
	(void)why;
	look_later(q);
	bool asks = q->engine->totals.stillness.asks;
	if (asks ? q->line.fd < 0 : is_time(q) && begin(q))
		step(q);
}

struct fy_inquiry *fy_inquiry_begin(ferry *engine, struct fy_query *query)
{
	if (engine->options.stuck_after == FERRY_NONE || engine->size > RANKS_MAX)
		return NULL;
	struct fy_inquiry *q = calloc(1, sizeof *q);
	if (!q)
		return NULL;
	q->engine = engine;
	q->query = query;
	q->line = (struct fy_helped){
		.run = listen_to, .fd = -1, .events = POLLIN, .due_at = INT64_MAX
	};
	q->timer = (struct fy_helped){ .run = look, .fd = -1 };
	look_later(q);
	(void)fy_helper_add(&q->timer); /* it has no descriptor, so it cannot fail */
	return q;
}

void fy_inquiry_end(struct fy_inquiry *inquiry)
{
	if (!inquiry)
		return;
	fy_helper_remove(&inquiry->timer);
	forget(inquiry);
	free(inquiry);
}
