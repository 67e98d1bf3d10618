/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design notes.
 *
 * All collectives of an engine go over one communicator, in the order in which the helm takes them,
 * which must be the same on all ranks: MPI asks for that. Where ranks differ MPI may hang or mix up
 * data. So builds that check (FY_COLLECTIVE_CHECKS) let all ranks compare number, kind, root and
 * bytes by an allreduce first; a collective starts when its comparison is over, the next comparison
 * only then, so that the order on the communicator stays the same everywhere. One that differs
 * starts nowhere and fails everywhere.
 *
 * Once taken from its lane a collective takes part, whatever became of its future: the other ranks
 * wait for it. So one that finds no memory, or that MPI does not start, is not given up but begun
 * later, and nothing overtakes it.
 *
 * A gather of messages: an Igather of lengths, then each rank's bytes to the root, which receives
 * them into the attachments of one message. Only the root knows whether it has memory for them, and
 * MPI takes no send back. So who has more than GATHER_SHORT bytes waits for the root's word, and
 * sends nothing when that says no. Less is sent at once; a root without memory receives it into a
 * place that nobody reads.
 */
#include "mpi_collective.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block.h"
#include "log.h"
#include "mpi_life.h"
#include "status.h"

#define GATHER_SHORT 4096u
#define REFUSED_MAX 100u /* so often is a collective tried that MPI does not start */

/* ---- with one request -------------------------------------------------------------- */

static void collective_done(struct fy_progress *p, const struct fy_waiting *w,
                            const MPI_Status *mpi, int code)
{
	if (mpi)
		fy_start_complete(p, w->future, w->what, NULL, code);
	else
		fy_start_fail(p, w->future, w->what, FERRY_ESTOPPED,
		              "the engine was closed while a rank was gone");
}

static int call(const struct fy_start *a, MPI_Comm comm, MPI_Request *request)
{
	const void *from = a->collective.from;
	void *to = a->collective.to;
	MPI_Datatype type = a->collective.type;
	switch (a->what) {
	case FY_START_BARRIER:
		return MPI_Ibarrier(comm, request);
	case FY_START_BCAST:
		return MPI_Ibcast(to, a->count, type, a->peer, comm, request);
	case FY_START_REDUCE:
		return MPI_Ireduce(from, to, a->count, type, a->collective.op, a->peer, comm,
		                   request);
	default:
		return MPI_Iallreduce(from, to, a->count, type, a->collective.op, comm, request);
	}
}

/*
 * MPI did not start it here. The other ranks wait for this one, so it is tried again where what is
 * wrong may pass: a few times, in later steps. Arguments that are wrong stay so.
 */
static bool again(struct fy_mpi_starts *s, int code)
{
	int class = MPI_SUCCESS;
	if (code != MPI_SUCCESS)
		MPI_Error_class(code, &class);
	bool may_pass =
		class == MPI_ERR_OTHER || class == MPI_ERR_INTERN || class == MPI_ERR_NO_MEM;
	s->n_refused = may_pass ? s->n_refused + 1 : 0;
	if (s->n_refused <= REFUSED_MAX)
		return may_pass;
	s->n_refused = 0;
	return false;
}

static bool begin_one(struct fy_progress *p, const struct fy_start *a, ferry_future *future)
{
	struct fy_mpi_starts *s = fy_mpi_starts_of(p);
	MPI_Request request = MPI_REQUEST_NULL;
	if (!fy_requests_reserve(&s->requests, 1))
		return false;
	int code = call(a, s->collectives, &request);
	if (again(s, code))
		return false;
	if (code != MPI_SUCCESS || request == MPI_REQUEST_NULL)
		fy_start_complete(p, future, a->what, NULL, code);
	else
		fy_requests_add(&s->requests, request, collective_done, a->what)->future = future;
	return true;
}

/* ---- gather of messages ----------------------------------------------------------------- */

struct gather {
	ferry_future *future;
	int root, tag;
	uint64_t mine; /* bytes of this rank's */
	const void *data;
	unsigned open; /* requests under way */
	int status, code;
	const char *detail;
	bool kept;              /* MPI may write here yet: it is never freed */
	int word;               /* the root's: a status */
	struct gather *next;    /* among those that may send and find no memory for a request */
	ferry_message *message; /* the root's, being filled */
	uint64_t lengths[];     /* the root's, by rank */
};

static void gather_finish(struct fy_progress *p, struct gather *g)
{
	if (g->status == FERRY_OK && g->code == MPI_SUCCESS && g->message && g->future) {
		if (fy_future_claim(g->future)) {
			fy_start_keep_status(g->future, NULL);
			ferry_message *message = g->message;
			g->message = NULL;
			fy_future_finish_reply(g->future, FERRY_OK, message);
		}
		ferry_future_release(g->future);
	} else if (g->status) {
		fy_start_fail(p, g->future, FY_START_GATHER, g->status, g->detail);
	} else {
		fy_start_complete(p, g->future, FY_START_GATHER, NULL, g->code);
	}
	if (g->kept)
		return;
	if (g->message)
		ferry_message_release(g->message);
	free(g);
}

static void part_done(struct fy_progress *p, const struct fy_waiting *w, const MPI_Status *mpi,
                      int code)
{
	struct gather *g = w->arg;
	if (!mpi) {
		g->status = FERRY_ESTOPPED;
		g->detail = "the engine was closed while a rank was gone";
		g->kept = true;
	}
	if (code != MPI_SUCCESS && g->code == MPI_SUCCESS)
		g->code = code;
	if (--g->open == 0)
		gather_finish(p, g);
}

static void gather_add(struct fy_progress *p, struct gather *g, int code, MPI_Request request,
                       fy_request_done *done)
{
	if (code != MPI_SUCCESS) {
		g->code = code;
		return;
	}
	fy_requests_add(&fy_mpi_starts_of(p)->requests, request, done, FY_START_GATHER)->arg = g;
	g->open++;
}

/* One attachment a rank. */
static bool gather_room(struct fy_progress *p, struct gather *g)
{
	size_t size = (size_t)p->engine->size;
	ferry_message *m = fy_message_new(p->engine, 0, 0);
	g->message = m;
	if (!m || fy_message_room_for(m, size) ||
	    !fy_requests_reserve(&fy_mpi_starts_of(p)->requests, size))
		return false;
	m->flags = FY_MESSAGE_RECEIVED;
	m->source = p->engine->rank;
	uint64_t given = 0;
	for (size_t i = 0; i < size; i++) {
		struct fy_attachment *a = &m->attachments[i];
		void *data = fy_block_get(p, g->lengths[i], given);
		if (!data)
			return false;
		*a = (struct fy_attachment){ .data = data, .nbytes = g->lengths[i], .owned = true };
		given += fy_block_room(p->engine, g->lengths[i]);
	}
	return true;
}

static void receive_parts(struct fy_progress *p, struct gather *g)
{
	for (int i = 0; i < p->engine->size; i++) {
		struct fy_attachment *a = &g->message->attachments[i];
		MPI_Request request = MPI_REQUEST_NULL;
		if (i == p->engine->rank && a->nbytes)
			memcpy(a->data, g->data, a->nbytes);
		if (i == p->engine->rank || !a->nbytes)
			continue;
		int code = MPI_Irecv(a->data, (int)a->nbytes, MPI_BYTE, i, g->tag,
		                     fy_mpi_starts_of(p)->collectives, &request);
		gather_add(p, g, code, request, part_done);
	}
}

/* MPI goes on with it by itself: there may be no memory to wait for it. */
static void leave_to_mpi(struct fy_progress *p, int code, MPI_Request *request)
{
	if (code == MPI_SUCCESS && *request != MPI_REQUEST_NULL)
		code = MPI_Request_free(request);
	if (code != MPI_SUCCESS)
		fy_log(p->engine->log, "%s", fy_mpi_text("the root of a ferry_gather", code));
}

/* To those who wait for it; to all when the lengths did not come. */
static void send_word(struct fy_progress *p, struct gather *g, const int *word, bool lengths)
{
	for (int i = 0; i < p->engine->size; i++) {
		MPI_Request request = MPI_REQUEST_NULL;
		if (i == p->engine->rank || (lengths && g->lengths[i] <= GATHER_SHORT))
			continue;
		int code = MPI_Isend(word, 1, MPI_INT, i, g->tag, fy_mpi_starts_of(p)->collectives,
		                     &request);
		leave_to_mpi(p, code, &request);
	}
}

/* What was sent at once is received all the same, so that no later receive meets it. */
static void receive_for_nobody(struct fy_progress *p, const struct gather *g)
{
	static char nobody[GATHER_SHORT];
	for (int i = 0; i < p->engine->size; i++) {
		MPI_Request request = MPI_REQUEST_NULL;
		if (i == p->engine->rank || !g->lengths[i] || g->lengths[i] > GATHER_SHORT)
			continue;
		int code = MPI_Irecv(nobody, (int)sizeof nobody, MPI_BYTE, i, g->tag,
		                     fy_mpi_starts_of(p)->collectives, &request);
		leave_to_mpi(p, code, &request);
	}
}

/* The root knows how long they are. */
static void ask_for_parts(struct fy_progress *p, struct gather *g)
{
	static const int go = FERRY_OK, no = FERRY_ENOMEM;
	if (gather_room(p, g)) {
		receive_parts(p, g);
		send_word(p, g, &go, true);
		return;
	}
	g->status = no;
	g->detail = "no memory for what the ranks give";
	receive_for_nobody(p, g);
	send_word(p, g, &no, true);
}

static void lengths_done(struct fy_progress *p, const struct fy_waiting *w, const MPI_Status *mpi,
                         int code)
{
	static const int failed = FERRY_EMPI;
	struct gather *g = w->arg;
	if (mpi && g->root == p->engine->rank) {
		if (code == MPI_SUCCESS)
			ask_for_parts(p, g);
		else
			send_word(p, g, &failed, false);
	}
	part_done(p, w, mpi, code);
}

/* False: no memory for the request, again later. */
static bool send_part(struct fy_progress *p, struct gather *g)
{
	struct fy_mpi_starts *s = fy_mpi_starts_of(p);
	MPI_Request request = MPI_REQUEST_NULL;
	if (!fy_requests_reserve(&s->requests, 1))
		return false;
	int code = MPI_Isend(g->data, (int)g->mine, MPI_BYTE, g->root, g->tag, s->collectives,
	                     &request);
	gather_add(p, g, code, request, part_done);
	return true;
}

static void word_done(struct fy_progress *p, const struct fy_waiting *w, const MPI_Status *mpi,
                      int code)
{
	struct fy_mpi_starts *s = fy_mpi_starts_of(p);
	struct gather *g = w->arg;
	if (mpi && code == MPI_SUCCESS && g->word != FERRY_OK) {
		g->status = g->word;
		g->detail = g->word == FERRY_ENOMEM
		                    ? "the root has no memory for what the ranks give"
		                    : "MPI failed at the root";
	} else if (mpi && code == MPI_SUCCESS && !send_part(p, g)) {
		g->next = s->unsent;
		s->unsent = g;
		s->n_unsent++;
		return; /* the word counts as open until then */
	}
	part_done(p, w, mpi, code);
}

/* Those that found no memory a while ago. */
static void send_parts(struct fy_progress *p)
{
	struct fy_mpi_starts *s = fy_mpi_starts_of(p);
	while (s->unsent && send_part(p, s->unsent)) {
		struct gather *g = s->unsent;
		s->unsent = g->next;
		s->n_unsent--;
		if (--g->open == 0)
			gather_finish(p, g);
	}
}

/* What this rank does beside telling its length. */
static void begin_part(struct fy_progress *p, struct gather *g)
{
	struct fy_mpi_starts *s = fy_mpi_starts_of(p);
	MPI_Request request = MPI_REQUEST_NULL;
	if (g->mine > GATHER_SHORT) {
		int code =
			MPI_Irecv(&g->word, 1, MPI_INT, g->root, g->tag, s->collectives, &request);
		gather_add(p, g, code, request, word_done);
	} else if (g->mine) {
		int code = MPI_Isend(g->data, (int)g->mine, MPI_BYTE, g->root, g->tag,
		                     s->collectives, &request);
		gather_add(p, g, code, request, part_done);
	}
}

static bool begin_gather(struct fy_progress *p, const struct fy_start *a, ferry_future *future)
{
	static const int failed = FERRY_EMPI;
	struct fy_mpi_starts *s = fy_mpi_starts_of(p);
	bool root = a->peer == p->engine->rank;
	size_t lengths = root ? (size_t)p->engine->size * sizeof(uint64_t) : 0;
	MPI_Request request = MPI_REQUEST_NULL;
	struct gather *g =
		fy_requests_reserve(&s->requests, 2) ? calloc(1, sizeof *g + lengths) : NULL;
	if (!g)
		return false;
	*g = (struct gather){ .future = future,
		              .root = a->peer,
		              .tag = (int)(s->n_collectives % (uint32_t)p->port->tag_max),
		              .mine = a->collective.nbytes,
		              .data = a->collective.from,
		              .open = 1 };
	int code = MPI_Igather(&g->mine, 1, MPI_UINT64_T, g->lengths, 1, MPI_UINT64_T, g->root,
	                       s->collectives, &request);
	if (again(s, code)) {
		free(g);
		return false;
	}
	gather_add(p, g, code, request, lengths_done);
	if (!root && code == MPI_SUCCESS)
		begin_part(p, g);
	else if (root && code != MPI_SUCCESS)
		send_word(p, g, &failed, false);
	if (--g->open == 0)
		gather_finish(p, g);
	return true;
}

static bool begin_now(struct fy_progress *p, const struct fy_start *a, ferry_future *future)
{
	bool begun =
		a->what == FY_START_GATHER ? begin_gather(p, a, future) : begin_one(p, a, future);
	fy_mpi_starts_of(p)->n_collectives += begun;
	return begun;
}

/* ---- comparing ----------------------------------------------------------------------------- */

enum { COMPARED = 4 };

struct fy_start_check {
	struct fy_start_check *next;
	struct fy_start start;
	ferry_future *future;
	uint32_t number;
	bool compares, compared; /* by MPI now; and found to be the same everywhere */
	/* the values, and their negatives: one minimum gives both ends */
	int64_t values[2 * COMPARED];
};

static void describe(struct fy_start_check *c)
{
	const struct fy_start *a = &c->start;
	int nbytes = 0;
	if (a->what == FY_START_BCAST || a->what == FY_START_REDUCE ||
	    a->what == FY_START_ALLREDUCE)
		MPI_Type_size(a->collective.type, &nbytes);
	const int64_t values[COMPARED] = { c->number, a->what, a->peer,
		                           (int64_t)nbytes * a->count };
	for (int i = 0; i < COMPARED; i++) {
		c->values[i] = values[i];
		c->values[COMPARED + i] = -values[i];
	}
}

static bool same_everywhere(const struct fy_start_check *c)
{
	for (int i = 0; i < COMPARED; i++)
		if (c->values[i] != -c->values[COMPARED + i])
			return false;
	return true;
}

static void differ(struct fy_progress *p, const struct fy_start_check *c)
{
	char text[160];
	snprintf(text, sizeof text,
	         "%s is collective number %u of this engine here, and other ranks call another "
	         "one, with another root or with other lengths",
	         fy_start_name(c->start.what), c->number);
	fy_start_fail(p, c->future, c->start.what, FERRY_EMPI, text);
	fy_log(p->engine->log, "%s", text);
}

static void next_check(struct fy_progress *p);

/* The first is over, one way or the other. */
static void drop_check(struct fy_progress *p)
{
	struct fy_mpi_starts *s = fy_mpi_starts_of(p);
	struct fy_start_check *c = s->checks;
	s->checks = c->next;
	if (!s->checks)
		s->checks_last = NULL;
	s->n_checks--;
	free(c);
}

static void check_done(struct fy_progress *p, const struct fy_waiting *w, const MPI_Status *mpi,
                       int code)
{
	struct fy_start_check *c = w->arg;
	if (!mpi)
		return; /* fy_collective_abandon finds it */
	c->compares = false;
	c->compared = code == MPI_SUCCESS && same_everywhere(c);
	if (!c->compared) {
		if (code != MPI_SUCCESS)
			fy_start_complete(p, c->future, c->start.what, NULL, code);
		else
			differ(p, c);
		drop_check(p);
	}
	next_check(p);
}

/* False: no memory, again later. */
static bool compare(struct fy_progress *p, struct fy_start_check *c)
{
	struct fy_mpi_starts *s = fy_mpi_starts_of(p);
	struct fy_waiting w = { .done = check_done, .arg = c, .what = c->start.what };
	MPI_Request request = MPI_REQUEST_NULL;
	MPI_Status none = { 0 };
	if (!fy_requests_reserve(&s->requests, 1))
		return false;
	describe(c);
	c->compares = true;
	int code = MPI_Iallreduce(MPI_IN_PLACE, c->values, 2 * COMPARED, MPI_INT64_T, MPI_MIN,
	                          s->collectives, &request);
	if (again(s, code)) {
		c->compares = false;
		return false;
	}
	if (code == MPI_SUCCESS)
		fy_requests_add(&s->requests, request, check_done, w.what)->arg = c;
	else
		check_done(p, &w, &none, code);
	return true;
}

/* As far as there is memory: the other ranks wait for ours, so nothing is left out. */
static void next_check(struct fy_progress *p)
{
	struct fy_mpi_starts *s = fy_mpi_starts_of(p);
	while (s->checks && s->checks->compared &&
	       begin_now(p, &s->checks->start, s->checks->future))
		drop_check(p);
	if (s->checks && !s->checks->compared && !s->checks->compares)
		compare(p, s->checks);
}

static bool begin_checked(struct fy_progress *p, const struct fy_start *a, ferry_future *future)
{
	struct fy_mpi_starts *s = fy_mpi_starts_of(p);
	struct fy_start_check *c = malloc(sizeof *c);
	if (!c)
		return false;
	*c = (struct fy_start_check){ .start = *a, .future = future, .number = s->n_compared++ };
	*(s->checks_last ? &s->checks_last->next : &s->checks) = c;
	s->checks_last = c;
	if (s->n_checks++ == 0)
		next_check(p);
	return true;
}

/* ---- both ------------------------------------------------------------------------------------ */

bool fy_collective_begin(struct fy_progress *p, const struct fy_start *a, ferry_future *future)
{
	if (p->byes) {
		fy_start_fail(p, future, a->what, FERRY_ESTOPPED,
		              "the engine was closed before it was started");
		return true;
	}
	if (future)
		fy_future_depart(future);
	return FY_COLLECTIVE_CHECKS ? begin_checked(p, a, future) : begin_now(p, a, future);
}

void fy_collective_step(struct fy_progress *p)
{
	struct fy_mpi_starts *s = fy_mpi_starts_of(p);
	if (s->unsent)
		send_parts(p);
	if (s->checks)
		next_check(p);
}

static void abandon_parts(struct fy_progress *p)
{
	struct fy_mpi_starts *s = fy_mpi_starts_of(p);
	while (s->unsent) {
		struct gather *g = s->unsent;
		const struct fy_waiting w = { .arg = g };
		s->unsent = g->next;
		part_done(p, &w, NULL, MPI_SUCCESS);
	}
	s->n_unsent = 0;
}

void fy_collective_abandon(struct fy_progress *p)
{
	struct fy_mpi_starts *s = fy_mpi_starts_of(p);
	abandon_parts(p);
	while (s->checks) {
		struct fy_start_check *c = s->checks;
		bool mine = !c->compares; /* else MPI may write to it yet */
		s->checks = c->next;
		fy_start_fail(p, c->future, c->start.what, FERRY_ESTOPPED,
		              "the engine was closed while a rank was gone");
		if (mine)
			free(c);
	}
	s->checks_last = NULL;
	s->n_checks = 0;
}
