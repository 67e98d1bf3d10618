/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks. The monitor files of this host say which jobs there are, and which of their ranks are here.
 * Each of these processes is asked itself, all at once; where none answers its file has to do. The
 * ranks of other hosts are asked by one engine of the job that answers. Nothing waits for one
 * process: all sockets are in one poll.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "ask.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/clock.h"
#include "ferry.h"
#include "monitor/format.h"
#include "monitor/reader.h"
#include "query/answer.h"
#include "query/socket.h"
#include "query/protocol.h"

#define HERE_TIME FERRY_MS(1200) /* for a process of this host; its helper needs 300 ms at most */
#define FAR_TIME FERRY_MS(2800)
#define PATIENCE_MS 2000
#define JOBS_MAX 256u
#define TRIES 3u /* engines that are asked for the others */

/* An engine of this host. */
struct engine {
	char file[FY_MONITOR_FILE_NAME];
	int job, rank; /* its job in the list */
	bool alive;
	int fd;        /* the question to it; -1: none goes on */
	bool asks_far; /* the question is for the other ranks */
	bool tried_far;
	int64_t asked_at;
};

struct search {
	const struct ask_options *options;
	struct ask_jobs *jobs;
	struct fy_monitor_list list;
	struct engine *engines;
	unsigned n;
	int64_t began_at, ends_at;
	struct pollfd *polled;
};

/* ---- which jobs ------------------------------------------------------------------------------ */

static int find_job(const struct search *s, const struct fy_monitor_head *head)
{
	for (unsigned i = 0; i < s->jobs->n; i++)
		if (s->jobs->jobs[i].id == head->job && s->jobs->jobs[i].size == head->size)
			return (int)i;
	return -1;
}

/* -1: no memory, or no such job. */
static int add_job(struct search *s, const struct fy_monitor_head *head)
{
	int found = find_job(s, head);
	if (found >= 0 || s->jobs->n == JOBS_MAX || head->size < 1 ||
	    head->size > FY_QUERY_RANKS_MAX)
		return found;
	struct ask_rank *ranks = calloc((size_t)head->size, sizeof *ranks);
	if (!ranks)
		return -1;
	s->jobs->jobs[s->jobs->n] =
		(struct ask_job){ .id = head->job, .size = head->size, .ranks = ranks };
	return (int)s->jobs->n++;
}

static bool is_wanted(const struct ask_options *o, const struct fy_monitor_head *head)
{
	return (!o->job || head->job == o->job) && (o->pid < 0 || head->process.pid == o->pid) &&
	       (o->rank < 0 || head->rank == o->rank);
}

/* One file. `add`: if it is wanted its job is. Else it becomes an engine, if its job is. */
static void look_at_file(struct search *s, const char *name, bool add)
{
	struct fy_monitor_copy copy;
	char why[FY_MONITOR_WHY];
	if (fy_monitor_read(&s->list, name, &copy, why) != 0) {
		if (add && !s->jobs->unread++)
			snprintf(s->jobs->why, sizeof s->jobs->why, "%s", why);
		return;
	}
	const struct fy_monitor_head *head = copy.head;
	if (add && is_wanted(s->options, head)) {
		add_job(s, head);
	} else if (!add) {
		int job = find_job(s, head);
		if (job >= 0 && head->rank >= 0 && head->rank < head->size) {
			struct engine *e = &s->engines[s->n++];
			*e = (struct engine){ .job = job, .rank = head->rank, .fd = -1 };
			memcpy(e->file, name, sizeof e->file);
			e->alive = copy.life != FY_MONITOR_DEAD;
			/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): add_job made it */
			s->jobs->jobs[job].ranks[head->rank].here = true;
		}
	}
	fy_monitor_copy_free(&copy);
}

static void find_engines(struct search *s)
{
	for (unsigned i = 0; i < s->list.n; i++)
		look_at_file(s, s->list.names[i], true);
	for (unsigned i = 0; i < s->list.n; i++)
		look_at_file(s, s->list.names[i], false);
}

/* ---- questions ------------------------------------------------------------------------------- */

static struct ask_rank *rank_of(const struct search *s, const struct engine *e)
{
	return &s->jobs->jobs[e->job].ranks[e->rank];
}

static int connect_to(const struct search *s, const struct engine *e)
{
	for (unsigned i = 0; i < s->list.n_places; i++) {
		int fd = fy_socket_connect(s->list.places[i], e->file);
		if (fd >= 0)
			return fd;
	}
	return -1;
}

static void hang_up(struct engine *e)
{
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
}

/* It has just been connected to, so a request finds room. */
static void ask_it(struct search *s, struct engine *e, const void *request, size_t nbytes)
{
	e->asked_at = fy_clock_now();
	e->fd = connect_to(s, e);
	if (e->fd >= 0 &&
	    send(e->fd, request, nbytes, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)nbytes)
		hang_up(e);
}

static void ask_here(struct search *s)
{
	struct fy_query_request q = { .magic = FY_QUERY_MAGIC,
		                      .version = FY_QUERY_VERSION,
		                      .what = FY_QUERY_ENGINE,
		                      .time = 1000 };
	for (unsigned i = 0; i < s->n; i++)
		if (s->engines[i].alive)
			ask_it(s, &s->engines[i], &q, sizeof q);
}

/* Ranks of which there is no file on this host, and no answer. Returns how many. */
static int missing_of(const struct ask_job *job, uint64_t *set)
{
	int n = 0;
	for (int i = 0; i < job->size; i++)
		if (!job->ranks[i].here && job->ranks[i].known == ASK_NOTHING) {
			fy_bits_add(set, i);
			n++;
		}
	return n;
}

static void ask_far(struct search *s, struct engine *e)
{
	const struct ask_job *job = &s->jobs->jobs[e->job];
	size_t set = fy_bits_words(job->size) * sizeof(uint64_t);
	struct fy_query_request *q = calloc(1, sizeof *q + set);
	int64_t left = s->ends_at - fy_clock_now();
	if (left > FAR_TIME)
		left = FAR_TIME;
	if (!q || left <= 0 || !missing_of(job, (uint64_t *)(void *)(q + 1))) {
		free(q);
		return;
	}
	q->magic = FY_QUERY_MAGIC;
	q->version = FY_QUERY_VERSION;
	q->what = FY_QUERY_JOB;
	q->size = job->size;
	q->time = (uint32_t)(left / FERRY_MS(1));
	q->patience = q->time < PATIENCE_MS + 400 ? q->time * 3 / 4 : PATIENCE_MS;
	e->tried_far = e->asks_far = true;
	ask_it(s, e, q, sizeof *q + set);
	free(q);
}

static bool is_far_asked(const struct search *s, int job, unsigned *tries)
{
	bool asked = false;
	*tries = 0;
	for (unsigned i = 0; i < s->n; i++)
		if (s->engines[i].job == job) {
			*tries += s->engines[i].tried_far;
			asked |= s->engines[i].fd >= 0 && s->engines[i].asks_far;
		}
	return asked;
}

/* This engine has answered for itself: let it ask the others, if no other one does. */
static void consider_far(struct search *s, struct engine *e)
{
	unsigned tries;
	struct ask_job *job = &s->jobs->jobs[e->job];
	const struct ask_rank *rank = rank_of(s, e);
	if (e->tried_far || is_far_asked(s, e->job, &tries) || tries >= TRIES ||
	    rank->known != ASK_ANSWER || rank->answer.source != FY_ANSWER_HELM)
		return;
	job->unasked[0] = '\0';
	ask_far(s, e);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* A rank's own answer counts more than what others know of it. */
static void take_answer(struct ask_job *job, const struct fy_query_reply *reply, const char *rest,
                        int64_t waited)
{
	struct ask_rank *rank = &job->ranks[reply->about];
	struct fy_answer answer;
	bool own = reply->from == reply->about;
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): add_job made it */
	if (rank->known != ASK_NOTHING && !own)
		return;
	bool is_there = own && !reply->nbytes;
	if (!is_there && !fy_answer_read(&answer, rest, reply->nbytes, reply->about, job->size))
		return;
	rank->known = is_there ? ASK_THERE : ASK_ANSWER;
	rank->from = reply->from;
	rank->waited = own ? 0 : waited;
	if (!is_there)
		rank->answer = answer;
	if (!own) /* who has not answered itself was read from its file */
		rank->answer.source = FY_ANSWER_FILE;
}

/* False: it has said all. */
static bool take_reply(struct search *s, struct engine *e, const char *record, size_t nbytes)
{
	struct fy_query_reply reply;
	struct ask_job *job = &s->jobs->jobs[e->job];
	const char *rest;
	if (!fy_protocol_read_reply(record, nbytes, job->size, &reply, &rest))
		return false;
	if (reply.kind == FY_QUERY_NO && e->asks_far)
		snprintf(job->unasked, sizeof job->unasked, "rank %d: %.*s", e->rank,
		         (int)(reply.nbytes < 200 ? reply.nbytes : 200), rest);
	if (reply.kind != FY_QUERY_ANSWER)
		return false;
	if (!e->asks_far && (reply.about != e->rank || reply.from != e->rank))
		return false;
	take_answer(job, &reply, rest, fy_clock_now() - e->asked_at);
	return true;
}

static void read_it(struct search *s, struct engine *e)
{
	char record[FY_QUERY_RECORD];
	for (unsigned i = 0; i < 64; i++) {
		ssize_t n = recv(e->fd, record, sizeof record, MSG_DONTWAIT | MSG_TRUNC);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n > 0 && (size_t)n <= sizeof record && take_reply(s, e, record, (size_t)n))
			continue;
		hang_up(e);
		return;
	}
}

static int64_t end_of(const struct search *s, const struct engine *e)
{
	int64_t end = e->asked_at + (e->asks_far ? FAR_TIME + FERRY_MS(100) : HERE_TIME);
	return end < s->ends_at ? end : s->ends_at;
}

/* Poll those that are asked. Returns how many there are. */
static unsigned listen_once(struct search *s)
{
	unsigned n = 0;
	int64_t next = s->ends_at;
	for (unsigned i = 0; i < s->n; i++) {
		s->polled[i] = (struct pollfd){ .fd = s->engines[i].fd, .events = POLLIN };
		if (s->engines[i].fd < 0)
			continue;
		n++;
		if (end_of(s, &s->engines[i]) < next)
			next = end_of(s, &s->engines[i]);
	}
	int64_t left = next - fy_clock_now();
	if (n)
		poll(s->polled, s->n, left > 0 ? (int)(left / FERRY_MS(1)) + 1 : 0);
	return n;
}

static void converse(struct search *s)
{
	while (listen_once(s)) {
		int64_t now = fy_clock_now();
		for (unsigned i = 0; i < s->n; i++) {
			struct engine *e = &s->engines[i];
			if (e->fd < 0)
				continue;
			if (s->polled[i].revents)
				read_it(s, e);
			if (e->fd >= 0 && now >= end_of(s, e))
				hang_up(e);
			if (e->fd < 0)
				consider_far(s, e);
		}
	}
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void read_file(struct search *s, struct engine *e)
{
	struct ask_rank *rank = rank_of(s, e);
	struct fy_monitor_copy copy;
	char why[FY_MONITOR_WHY];
	if (rank->known != ASK_NOTHING || fy_monitor_read(&s->list, e->file, &copy, why) != 0)
		return;
	if (copy.head->rank == e->rank && copy.head->size == s->jobs->jobs[e->job].size) {
		fy_answer_begin(&rank->answer, e->rank, copy.head->size, FY_ANSWER_FILE);
		fy_answer_add_file(&rank->answer, &copy, fy_clock_now());
		rank->known = ASK_ANSWER;
		rank->from = e->rank;
		rank->waited = e->alive ? fy_clock_now() - e->asked_at : 0;
	}
	fy_monitor_copy_free(&copy);
}

/* Why nobody could be asked for the ranks of other hosts. */
static void say_unasked(struct search *s)
{
	for (unsigned i = 0; i < s->jobs->n; i++) {
		struct ask_job *job = &s->jobs->jobs[i];
		unsigned tries, n_unknown = 0;
		for (int rank = 0; rank < job->size; rank++)
			n_unknown += job->ranks[rank].known == ASK_NOTHING;
		is_far_asked(s, (int)i, &tries);
		if (n_unknown && !tries && !job->unasked[0])
			snprintf(job->unasked, sizeof job->unasked,
			         "no engine of the job on this host answers");
	}
}

static bool open_search(struct search *s, char why[ASK_WHY])
{
	size_t n;
	if (fy_monitor_list(s->options->directory, &s->list, why) != 0)
		return false;
	n = s->list.n ? s->list.n : 1;
	s->engines = calloc(n, sizeof *s->engines);
	s->polled = calloc(n, sizeof *s->polled);
	s->jobs->jobs = calloc(JOBS_MAX, sizeof *s->jobs->jobs);
	snprintf(why, ASK_WHY, "there is no memory");
	return s->engines && s->polled && s->jobs->jobs;
}

bool ask_collect(const struct ask_options *options, struct ask_jobs *jobs, char why[ASK_WHY])
{
	*jobs = (struct ask_jobs){ 0 };
	struct search s = { .options = options, .jobs = jobs, .began_at = fy_clock_now() };
	s.ends_at = s.began_at + options->timeout;
	bool ok = open_search(&s, why);
	if (ok) {
		find_engines(&s);
		ask_here(&s);
		converse(&s);
		for (unsigned i = 0; i < s.n; i++)
			read_file(&s, &s.engines[i]);
		say_unasked(&s);
	}
	fy_monitor_list_free(&s.list);
	free(s.engines);
	free(s.polled);
	return ok;
}

void ask_free(struct ask_jobs *jobs)
{
	for (unsigned i = 0; i < jobs->n; i++)
		free(jobs->jobs[i].ranks);
	free(jobs->jobs);
	*jobs = (struct ask_jobs){ 0 };
}

static bool has_ended(const struct ask_job *job)
{
	for (int i = 0; i < job->size; i++)
		if (job->ranks[i].known != ASK_NOTHING &&
		    job->ranks[i].answer.process != FY_ANSWER_DEAD)
			return false;
	return true;
}

void ask_leave_out_ended(const struct ask_options *options, struct ask_jobs *jobs)
{
	unsigned kept = 0;
	if (options->job || options->pid >= 0 || options->rank >= 0)
		return;
	for (unsigned i = 0; i < jobs->n; i++) {
		if (has_ended(&jobs->jobs[i]))
			free(jobs->jobs[i].ranks);
		else
			jobs->jobs[kept++] = jobs->jobs[i];
	}
	jobs->ended = jobs->n - kept;
	jobs->n = kept;
}
