/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: what runs on the helper (base/helper.h), and what the helm does for it.
 *
 * A client sends one request, gets its answers, and is let go of. There are few clients at a time,
 * each has little time, and nothing waits for one: who does not read has its answers kept, who
 * sends anything else is refused. Nobody but the user and root is heard.
 *
 * The helper does not touch what the helm owns. It hands over one command at a time: to complete a
 * picture, to ask other ranks (helm/question.h), or to stop asking. The memory of the command is
 * the helm's from fy_ask_begin until its `done`. A progress thread that cannot step leaves the
 * command where it is, and the helper answers without it. Reports that come for a question pass
 * through an inbox, by which the helm pokes the helper.
 *
 * The helper also keeps the time of a question. What is lost is asked for again. After `patience`
 * the ranks that gave no answer are silent: then those that did are asked for them.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "query/server.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ferry.h"
#include "base/bits.h"
#include "base/clock.h"
#include "base/helper.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/order.h"
#include "helm/ask.h"
#include "helm/command.h"
#include "helm/portray.h"
#include "helm/progress.h"
#include "helm/question.h"
#include "query/answer.h"
#include "query/socket.h"
#include "query/protocol.h"
#include "query/tell.h"
#include "shared/engine.h"
#include "watch/picture.h"

#define CLIENTS 4u
#define READ_TIME FERRY_S(1)    /* for a request to come */
#define SEND_TIME FERRY_S(5)    /* for answers to be read, behind the end */
#define LOOK_TIME FERRY_MS(300) /* for the progress thread to complete a picture */
#define TAKE_TIME FERRY_MS(600) /* for it to begin a question */
#define AGAIN FERRY_MS(400)     /* then who has not answered is asked again */
#define HELD_BEYOND 64u         /* reports in the inbox, beside two for each rank */

enum phase { FREE, READS, LOOKS, ASKS, SENDS };
enum task { LOOK, ASK, STOP };

/* A record that a client has not read yet. */
struct held {
	struct held *next;
	size_t nbytes;
	char bytes[];
};

struct client {
	struct fy_helped helped;
	struct fy_query *query;
	enum phase phase;
	struct held *first, *last;
};

/* A report, on its way from the helm to the helper. */
struct report {
	fy_inbox_entry entry;
	uint32_t id;
	int from, about;
	size_t nbytes;
	char bytes[];
};

/* What the helm is asked to do. The helper's unless it is out; then the helm's. */
struct errand {
	struct fy_command command;
	struct fy_query *query;
	enum task task;
	uint32_t id;
	uint64_t *wanted, *silent; /* sets; `silent` is used if `has_silent` */
	bool has_silent;
	struct fy_picture picture;
	/* written by the helm when it has run (release), read by the helper (acquire) */
	uint32_t ran;
	bool out;      /* the helper's: it was handed over, and its end was not seen */
	bool seen;     /* likewise: that it ran */
	int64_t since; /* likewise */
};

/* The question that goes on; the helper's. */
struct round {
	struct client *client; /* NULL: none does */
	uint32_t id;
	int64_t ends_at, silent_at;
	uint64_t *wanted, *heard; /* who answered */
	uint64_t *silent, *told;  /* who is silent; who of them was reported on */
	bool begun;               /* the helm has asked once */
	bool ask_due, stop_due;
};

struct fy_query {
	struct fy_helped listener;
	ferry *engine;
	int size;
	const struct fy_query_place *place;
	struct client clients[CLIENTS];
	struct errand errand;
	struct round round;
	fy_inbox reports; /* struct report: put in with the helm, taken out by the helper */
	uint32_t held;    /* how many are there: atomic add by both */
	uint64_t *sets;   /* memory of all sets */
};

/* ---- what is sent -------------------------------------------------------------------------- */

static void let_go(struct client *c)
{
	struct fy_query *q = c->query;
	fy_helper_remove(&c->helped);
	if (c->helped.fd >= 0)
		close(c->helped.fd);
	c->helped.fd = -1;
	while (c->first) {
		struct held *h = c->first;
		fy_list_drop(c->first, c->last);
		free(h);
	}
	if (q->round.client == c) {
		q->round.client = NULL;
		q->round.stop_due = true;
	}
	c->phase = FREE;
	q->listener.events = POLLIN;
}

static void hold(struct client *c, const void *bytes, size_t nbytes)
{
	struct held *h = malloc(sizeof *h + nbytes);
	if (!h)
		return; /* who asked sees that the answer is missing */
	h->next = NULL;
	h->nbytes = nbytes;
	memcpy(h->bytes, bytes, nbytes);
	fy_list_append(c->first, c->last, h);
	c->helped.events = POLLIN | POLLOUT;
}

/* False: the client is gone. */
static bool send_held(struct client *c)
{
	while (c->first) {
		struct held *h = c->first;
		if (send(c->helped.fd, h->bytes, h->nbytes, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return errno == EAGAIN || errno == EINTR;
		fy_list_drop(c->first, c->last);
		free(h);
	}
	c->helped.events = POLLIN;
	return true;
}

static void reply(struct client *c, enum fy_query_kind kind, int about, int from, const void *rest,
                  size_t nbytes)
{
	struct {
		struct fy_query_reply reply;
		char rest[FY_QUERY_RECORD - sizeof(struct fy_query_reply)];
	} r = { .reply = { .magic = FY_QUERY_MAGIC,
		           .version = FY_QUERY_VERSION,
		           .kind = (uint16_t)kind,
		           .about = about,
		           .from = from,
		           .nbytes = (uint32_t)nbytes } };
	memcpy(r.rest, rest, nbytes);
	size_t all = sizeof r.reply + nbytes;
	if (c->first || send(c->helped.fd, &r, all, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)all)
		hold(c, &r, all);
}

/* All is said. It is let go of when it has read that. */
static void end_client(struct client *c)
{
	if (!c->first) {
		let_go(c);
		return;
	}
	if (c->query->round.client == c) {
		c->query->round.client = NULL;
		c->query->round.stop_due = true;
	}
	c->phase = SENDS;
	c->helped.due_at = fy_clock_now() + SEND_TIME;
}

static void end_with(struct client *c, enum fy_query_kind kind, const char *sentence)
{
	int rank = c->query->engine->rank;
	reply(c, kind, rank, rank, sentence, strlen(sentence));
	end_client(c);
}

/* ---- errands of the helm ------------------------------------------------------------------- */

/* Runs with the helm. */
static bool run_errand(struct fy_progress *p, struct fy_command *command)
{
	struct errand *e = command->arg;
	if (e->task == LOOK) {
		fy_portray_threads(p->link.engine, &e->picture);
		fy_portray_engine(p, &e->picture);
	} else if (e->task == ASK) {
		p->questions.arg = e->query;
		command->status =
			fy_question_ask(p, e->id, e->wanted, e->has_silent ? e->silent : NULL);
	} else {
		fy_question_end(p);
	}
	fy_store_release_32(&e->ran, 1);
	fy_helper_poke(&e->query->listener);
	return true;
}

/* Can the errand be used? */
static bool is_errand_free(struct errand *e)
{
	e->out = e->out && !fy_load_acquire_32(&e->command.done);
	return !e->out;
}

static void send_errand(struct fy_query *q, enum task task)
{
	struct errand *e = &q->errand;
	e->task = task;
	e->command = (struct fy_command){ .run = run_errand, .arg = e };
	e->out = true;
	e->seen = false;
	e->since = fy_clock_now();
	fy_store_relaxed_32(&e->ran, 0); /* before the inbox hands it over */
	fy_ask_begin(q->engine, &e->command);
}

static void send_ask(struct fy_query *q)
{
	struct round *r = &q->round;
	struct errand *e = &q->errand;
	e->id = r->id;
	fy_bits_copy(e->wanted, r->wanted, q->size);
	e->has_silent = fy_bits_count(r->silent, q->size) != 0;
	if (e->has_silent) /* who is silent may answer still */
		fy_bits_copy(e->silent, r->silent, q->size);
	else
		fy_bits_drop(e->wanted, r->heard, q->size);
	r->ask_due = false;
	send_errand(q, ASK);
}

static bool any_looks(const struct fy_query *q)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		if (q->clients[i].phase == LOOKS)
			return true;
	return false;
}

static void send_next_errand(struct fy_query *q)
{
	if (!any_looks(q) && !q->round.ask_due && !q->round.stop_due)
		return;
	if (!is_errand_free(&q->errand)) {
		if (q->errand.seen) /* its last word is about to be written */
			q->listener.due_at = fy_clock_now() + FERRY_MS(1);
		return;
	}
	if (q->round.ask_due && q->round.client) {
		send_ask(q);
	} else if (any_looks(q)) {
		send_errand(q, LOOK);
	} else {
		q->round.ask_due = false;
		if (q->round.stop_due)
			send_errand(q, STOP);
		q->round.stop_due = false;
	}
}

/* ---- one engine ---------------------------------------------------------------------------- */

static void answer(struct client *c, const struct fy_picture *picture)
{
	struct fy_query *q = c->query;
	struct fy_answer a;
	fy_tell_self(q->place, q->engine->rank, q->engine->size, &a);
	a.source = picture ? FY_ANSWER_HELM : FY_ANSWER_HELPER;
	a.process = FY_ANSWER_RUNS;
	a.has_picture = 1;
	if (picture)
		a.picture = *picture;
	else
		fy_portray_threads(q->engine, &a.picture);
	reply(c, FY_QUERY_ANSWER, q->engine->rank, q->engine->rank, &a, sizeof a);
	end_with(c, FY_QUERY_END, "");
}

static void answer_all(struct fy_query *q)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		if (q->clients[i].phase == LOOKS)
			answer(&q->clients[i], &q->errand.picture);
}

/* ---- the whole job ------------------------------------------------------------------------- */

static void begin_round(struct client *c, const struct fy_query_request *request, const void *set)
{
	struct fy_query *q = c->query;
	struct round *r = &q->round;
	int64_t now = fy_clock_now();
	if (request->size != q->size) {
		end_with(c, FY_QUERY_NO, "this job has another number of ranks");
		return;
	}
	if (r->client) {
		end_with(c, FY_QUERY_NO, "another question to the job goes on: ask again");
		return;
	}
	c->phase = ASKS;
	memcpy(r->wanted, set, fy_bits_words(q->size) * sizeof *r->wanted);
	fy_bits_remove(r->wanted, q->engine->rank);
	fy_bits_clear(r->heard, q->size);
	fy_bits_clear(r->silent, q->size);
	fy_bits_clear(r->told, q->size);
	r->client = c;
	r->id++;
	r->begun = r->stop_due = false;
	r->ask_due = true;
	r->ends_at = now + (int64_t)request->time * FERRY_MS(1);
	r->silent_at = now + (int64_t)request->patience * FERRY_MS(1);
	c->helped.due_at = now;
}

static bool is_complete(const struct fy_query *q)
{
	const struct round *r = &q->round;
	int size = q->size, missing = 0;
	fy_bits_each (rank, r->wanted, size)
		missing += !fy_bits_has(r->heard, rank) && !fy_bits_has(r->told, rank);
	return missing == 0;
}

/* Ranks that answer later than that are not silent any more. */
static void set_silent(struct fy_query *q)
{
	struct round *r = &q->round;
	fy_bits_copy(r->silent, r->wanted, q->size);
	fy_bits_drop(r->silent, r->heard, q->size);
}

static void step_round(struct client *c, int64_t now)
{
	struct fy_query *q = c->query;
	struct round *r = &q->round;
	if (is_complete(q) || now >= r->ends_at) {
		end_with(c, FY_QUERY_END, "");
		return;
	}
	if (!r->begun && q->errand.out && now - q->errand.since > TAKE_TIME) {
		end_with(c, FY_QUERY_NO, "its progress thread does not take the question");
		return;
	}
	if (now >= r->silent_at)
		set_silent(q);
	r->ask_due = true;
	int64_t next = now + AGAIN;
	if (now < r->silent_at && r->silent_at < next)
		next = r->silent_at;
	c->helped.due_at = r->ends_at < next ? r->ends_at : next;
}

static void take_report(struct fy_query *q, const struct report *report)
{
	struct round *r = &q->round;
	int about = report->about;
	if (!r->client || report->id != r->id || !fy_bits_has(r->wanted, about) ||
	    fy_bits_has(r->heard, about))
		return;
	if (report->from == about)
		fy_bits_add(r->heard, about);
	else if (!fy_bits_has(r->silent, about) || fy_bits_has(r->told, about))
		return;
	else
		fy_bits_add(r->told, about);
	reply(r->client, FY_QUERY_ANSWER, about, report->from, report->bytes, report->nbytes);
}

static void take_reports(struct fy_query *q)
{
	fy_inbox_each (entry, fy_inbox_take_in_order(&q->reports)) {
		struct report *report = fy_container_of(entry, struct report, entry);
		take_report(q, report);
		free(report);
		fy_sub_32(&q->held, 1);
	}
	if (q->round.client && q->round.begun && is_complete(q))
		end_with(q->round.client, FY_QUERY_END, "");
}

/* Runs with the helm. What does not fit is asked for again. */
static void hear(void *arg, const struct fy_question_heard *heard)
{
	struct fy_query *q = arg;
	if (heard->nbytes > FY_QUERY_RECORD - sizeof(struct fy_query_reply) ||
	    fy_load_relaxed_32(&q->held) > 2 * (uint32_t)q->size + HELD_BEYOND)
		return;
	struct report *report = malloc(sizeof *report + heard->nbytes);
	if (!report)
		return;
	report->id = heard->id;
	report->from = heard->from;
	report->about = heard->about;
	report->nbytes = heard->nbytes;
	memcpy(report->bytes, heard->bytes, heard->nbytes);
	fy_add_32(&q->held, 1);
	fy_inbox_put(&q->reports, &report->entry);
	fy_helper_poke(&q->listener);
}

/* ---- clients ------------------------------------------------------------------------------- */

static void obey(struct client *c, const void *record, size_t nbytes)
{
	const char *wrong = fy_protocol_refuse(record, nbytes);
	struct fy_query_request request;
	if (wrong) {
		end_with(c, FY_QUERY_NO, wrong);
		return;
	}
	memcpy(&request, record, sizeof request);
	if (request.what == FY_QUERY_JOB) {
		begin_round(c, &request, (const char *)record + sizeof request);
		return;
	}
	c->phase = LOOKS;
	c->helped.due_at = fy_clock_now() + LOOK_TIME;
}

static void read_client(struct client *c)
{
	char record[FY_QUERY_RECORD];
	ssize_t n = recv(c->helped.fd, record, sizeof record, MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || c->phase != READS) /* it is gone, or says what nobody asked it */
		let_go(c);
	else if ((size_t)n > sizeof record)
		end_with(c, FY_QUERY_NO, "the request is too long");
	else
		obey(c, record, (size_t)n);
}

static void serve(struct client *c)
{
	int64_t now = fy_clock_now();
	if (c->phase == LOOKS)
		answer(c, NULL);
	else if (c->phase == ASKS)
		step_round(c, now);
	else if (c->phase != FREE)
		let_go(c); /* its time is up */
}

static bool is_over(struct client *c, unsigned why)
{
	if (why & FY_HELP_LOST)
		return true;
	return why & FY_HELP_READY && (!send_held(c) || (c->phase == SENDS && !c->first));
}

static void run_client(struct fy_helped *self, unsigned why)
{
	struct client *c = fy_container_of(self, struct client, helped);
	struct fy_query *q = c->query;
	if (is_over(c, why))
		let_go(c);
	else if (why & FY_HELP_READY)
		read_client(c);
	if (why & FY_HELP_DUE && c->phase != FREE)
		serve(c);
	send_next_errand(q);
}

static struct client *free_client(struct fy_query *q)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		if (q->clients[i].phase == FREE)
			return &q->clients[i];
	return NULL;
}

static bool is_allowed(int fd)
{
	struct ucred who;
	socklen_t nbytes = sizeof who;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &nbytes) == 0 &&
	       nbytes == sizeof who && (who.uid == geteuid() || who.uid == 0);
}

static void welcome(struct fy_query *q, int fd)
{
	struct client *c = free_client(q);
	c->helped = (struct fy_helped){
		.run = run_client, .fd = fd, .events = POLLIN, .due_at = fy_clock_now() + READ_TIME
	};
	c->query = q;
	if (!is_allowed(fd) || fy_helper_add(&c->helped) != FERRY_OK) {
		close(fd);
		c->helped.fd = -1;
		return;
	}
	c->phase = READS;
}

static void accept_clients(struct fy_query *q)
{
	while (free_client(q)) {
		int fd = accept4(q->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		welcome(q, fd);
	}
	q->listener.events = 0; /* others wait until one is let go of */
}

bool fy_server_take(struct fy_query *q, int fd)
{
	if (free_client(q)) {
		welcome(q, fd); /* closes it if that fails, which who holds the other end sees */
		return true;
	}
	close(fd);
	return false;
}

/* The helm has run an errand, or has put a report into the inbox. */
static void see_helm(struct fy_query *q)
{
	struct errand *e = &q->errand;
	take_reports(q);
	if (!e->out || e->seen || !fy_load_acquire_32(&e->ran))
		return;
	e->seen = true;
	if (e->task == LOOK)
		answer_all(q);
	else if (e->task == ASK)
		q->round.begun |= e->id == q->round.id;
}

static void run_listener(struct fy_helped *self, unsigned why)
{
	struct fy_query *q = fy_container_of(self, struct fy_query, listener);
	if (why & (FY_HELP_POKED | FY_HELP_DUE))
		see_helm(q);
	if (why & FY_HELP_READY)
		accept_clients(q);
	send_next_errand(q);
}

/* ---- its life ------------------------------------------------------------------------------ */

static bool make_sets(struct fy_query *q)
{
	size_t words = fy_bits_words(q->size);
	uint64_t **sets[] = { &q->errand.wanted, &q->errand.silent, &q->round.wanted,
		              &q->round.heard,   &q->round.silent,  &q->round.told };
	size_t n = sizeof sets / sizeof *sets;
	q->sets = calloc(n * words, sizeof *q->sets);
	for (size_t i = 0; q->sets && i < n; i++)
		*sets[i] = q->sets + i * words;
	return q->sets != NULL;
}

struct fy_query *fy_server_open(ferry *engine, const struct fy_query_place *place,
                                char why[FY_QUERY_WHY])
{
	struct fy_query *q = calloc(1, sizeof *q);
	snprintf(why, FY_QUERY_WHY, "there is no memory");
	if (!q)
		return NULL;
	q->place = place;
	q->engine = engine;
	q->size = engine->size;
	q->errand.query = q;
	fy_inbox_init(&q->reports);
	for (unsigned i = 0; i < CLIENTS; i++)
		q->clients[i].helped.fd = -1;
	int fd = make_sets(q) ? fy_socket_listen(place, why) : -1;
	q->listener = (struct fy_helped){
		.run = run_listener, .fd = fd, .events = POLLIN, .due_at = INT64_MAX
	};
	if (fd >= 0 && fy_helper_add(&q->listener) == FERRY_OK)
		return q;
	if (fd >= 0)
		close(fd);
	fy_server_free(q);
	return NULL;
}

void fy_server_stop(struct fy_query *q)
{
	if (!q)
		return;
	/* The helper runs nothing of this any more before the first is let go: a client looks at
	 * the others, too. */
	fy_helper_remove(&q->listener);
	for (unsigned i = 0; i < CLIENTS; i++)
		fy_helper_remove(&q->clients[i].helped);
	for (unsigned i = 0; i < CLIENTS; i++)
		if (q->clients[i].phase != FREE)
			let_go(&q->clients[i]);
	if (q->listener.fd >= 0)
		close(q->listener.fd);
	q->listener.fd = -1;
	fy_socket_unlisten(q->place);
}

void fy_server_free(struct fy_query *q)
{
	if (!q)
		return;
	fy_inbox_each (entry, fy_inbox_take(&q->reports))
		free(fy_container_of(entry, struct report, entry));
	free(q->sets);
	free(q);
}

void fy_server_report(ferry *engine, const struct fy_query_place *place)
{
	static const struct fy_question_side side = { fy_tell_report, hear };
	struct fy_questions *questions = &fy_progress_of(engine)->questions;
	questions->place = place;
	questions->side = &side;
}

bool fy_server_place(const ferry *engine, struct fy_query_place *place)
{
	const struct fy_file *file = &fy_progress_of(engine)->sample.file;
	if (!file->head)
		return false;
	snprintf(place->path, sizeof place->path, "%s", file->path);
	snprintf(place->file, sizeof place->file, "%s", file->name);
	return true;
}
