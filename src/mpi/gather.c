/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ferry_gather: an Igather of lengths, then each rank's bytes to the root, which receives them
 * into the attachments of one message. Everything here is the helm's.
 *
 * Only the root knows whether it has memory for the bytes, and a send cannot be taken back. So a
 * rank with more than GATHER_SHORT bytes waits for the root's word, and sends nothing if that is
 * no. Other ranks send at once; a root without memory receives those bytes into a buffer that
 * nobody reads.
 *
 * Each of these messages has a rank that waits for it, and that cannot be told in another way. So
 * a send or a receive that MPI does not start is tried again, as a collective is. If the root
 * cannot receive a part it says so to the rank that waits for the word.
 */
#include "mpi/gather.h"

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/log.h"
#include "future/future.h"
#include "helm/errands.h"
#include "mpi/error.h"
#include "mpi/requests.h"
#include "mpi/start.h"
#include "mpi/starts.h"
#include "port/port.h"
#include "shared/block.h"
#include "shared/engine.h"
#include "shared/message.h"

#define GATHER_SHORT 4096u
#define NOT_RECEIVED UINT64_MAX /* a length: the root waits for a part, and MPI takes no receive */

struct fy_gather {
	ferry_future *future;
	int root, tag;
	uint64_t mine; /* how many bytes this rank gives */
	const void *data;
	unsigned open; /* requests under way */
	int status, code;
	const char *detail;
	bool kept;              /* MPI may still write here: never free it */
	int word;               /* what the root says: a status */
	struct fy_gather *next; /* in the list of those that may send and had no memory to */
	ferry_message *message; /* the root's, being filled */
	uint64_t lengths[];     /* the root's, by rank */
};

static void gather_finish(struct fy_mpi_starts *s, struct fy_gather *g)
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
		fy_start_fail(s, g->future, FY_START_GATHER, g->status, g->detail);
	} else {
		fy_start_complete(s, g->future, FY_START_GATHER, NULL, g->code);
	}
	if (g->kept)
		return;
	if (g->message)
		ferry_message_release(g->message);
	free(g);
}

static void part_done(struct fy_mpi_starts *s, const struct fy_completion *w, const MPI_Status *mpi,
                      int code)
{
	struct fy_gather *g = w->arg;
	if (!mpi) {
		g->status = FERRY_ESTOPPED;
		g->detail = "the engine was closed while a rank was gone";
		g->kept = true;
	}
	if (code != MPI_SUCCESS && g->code == MPI_SUCCESS)
		g->code = code;
	if (--g->open == 0)
		gather_finish(s, g);
}

static void gather_add(struct fy_mpi_starts *s, struct fy_gather *g, int code, MPI_Request request,
                       fy_request_done *done)
{
	if (code != MPI_SUCCESS) {
		g->code = code;
		return;
	}
	fy_requests_add(&s->requests, request, done, FY_START_GATHER)->arg = g;
	g->open++;
}

/* Make the root's message, with one attachment a rank. False: no memory. */
static bool gather_room(struct fy_mpi_starts *s, struct fy_gather *g)
{
	size_t size = (size_t)s->starts.engine->size;
	ferry_message *m = fy_message_new(s->starts.engine, 0, 0);
	g->message = m;
	if (!m || fy_message_reserve_attachments(m, size) ||
	    !fy_requests_reserve(&s->requests, size))
		return false;
	m->flags = FY_MESSAGE_RECEIVED;
	m->source = s->starts.engine->rank;
	uint64_t given = 0;
	for (size_t i = 0; i < size; i++) {
		struct fy_attachment *a = &m->attachments[i];
		void *data = fy_errands_get_block(s->starts.engine, g->lengths[i], given);
		if (!data)
			return false;
		*a = (struct fy_attachment){ .data = data, .nbytes = g->lengths[i], .owned = true };
		given += fy_block_size(s->starts.engine, g->lengths[i]);
	}
	return true;
}

static int isend(struct fy_mpi_starts *s, const void *data, int count, MPI_Datatype type, int rank,
                 int tag, MPI_Request *request)
{
	return FY_START_PERSIST(s,
	                        MPI_Isend(data, count, type, rank, tag, s->collectives, request));
}

static int irecv(struct fy_mpi_starts *s, void *data, int count, MPI_Datatype type, int rank,
                 int tag, MPI_Request *request)
{
	return FY_START_PERSIST(s,
	                        MPI_Irecv(data, count, type, rank, tag, s->collectives, request));
}

static void receive_parts(struct fy_mpi_starts *s, struct fy_gather *g)
{
	for (int i = 0; i < s->starts.engine->size; i++) {
		struct fy_attachment *a = &g->message->attachments[i];
		MPI_Request request = MPI_REQUEST_NULL;
		if (i == s->starts.engine->rank && a->nbytes)
			memcpy(a->data, g->data, a->nbytes);
		if (i == s->starts.engine->rank || !a->nbytes)
			continue;
		int code = irecv(s, a->data, (int)a->nbytes, MPI_BYTE, i, g->tag, &request);
		gather_add(s, g, code, request, part_done);
		g->lengths[i] = code == MPI_SUCCESS ? g->lengths[i] : NOT_RECEIVED;
	}
}

/* Leave the request to MPI, because there may be no memory to wait for it. */
static void leave_to_mpi(struct fy_mpi_starts *s, int code, MPI_Request *request)
{
	if (code == MPI_SUCCESS && *request != MPI_REQUEST_NULL)
		code = MPI_Request_free(request);
	if (code != MPI_SUCCESS)
		fy_log_at(s->starts.engine->log, FERRY_LOG_WARNING,
		          "%s; the other ranks are told: the status of the gather says what to do",
		          fy_mpi_error_text("the root of a ferry_gather", code));
}

/* Send the root's word to the ranks that wait for it. Without the lengths the root does not know
 * which these are, so it sends the word to all. */
static void send_word(struct fy_mpi_starts *s, struct fy_gather *g, const int *word, bool lengths)
{
	static const int failed = FERRY_EMPI;
	for (int i = 0; i < s->starts.engine->size; i++) {
		MPI_Request request = MPI_REQUEST_NULL;
		if (i == s->starts.engine->rank || (lengths && g->lengths[i] <= GATHER_SHORT))
			continue;
		bool received = !lengths || g->lengths[i] != NOT_RECEIVED;
		int code = isend(s, received ? word : &failed, 1, MPI_INT, i, g->tag, &request);
		leave_to_mpi(s, code, &request);
	}
}

/* Receive what other ranks sent at once, so that no later receive matches it. */
static void receive_for_nobody(struct fy_mpi_starts *s, const struct fy_gather *g)
{
	static char nobody[GATHER_SHORT];
	for (int i = 0; i < s->starts.engine->size; i++) {
		MPI_Request request = MPI_REQUEST_NULL;
		if (i == s->starts.engine->rank || !g->lengths[i] || g->lengths[i] > GATHER_SHORT)
			continue;
		int code = irecv(s, nobody, (int)sizeof nobody, MPI_BYTE, i, g->tag, &request);
		leave_to_mpi(s, code, &request);
	}
}

/* The root knows all lengths: receive the parts, or say no. */
static void ask_for_parts(struct fy_mpi_starts *s, struct fy_gather *g)
{
	static const int go = FERRY_OK, no = FERRY_ENOMEM;
	if (gather_room(s, g)) {
		receive_parts(s, g);
		send_word(s, g, &go, true);
		return;
	}
	g->status = no;
	g->detail = "no memory for what the ranks give";
	receive_for_nobody(s, g);
	send_word(s, g, &no, true);
}

static void lengths_done(struct fy_mpi_starts *s, const struct fy_completion *w,
                         const MPI_Status *mpi, int code)
{
	static const int failed = FERRY_EMPI;
	struct fy_gather *g = w->arg;
	if (mpi && g->root == s->starts.engine->rank) {
		if (code == MPI_SUCCESS)
			ask_for_parts(s, g);
		else
			send_word(s, g, &failed, false);
	}
	part_done(s, w, mpi, code);
}

/* False: no memory for the request, try again later. */
static bool send_part(struct fy_mpi_starts *s, struct fy_gather *g)
{
	MPI_Request request = MPI_REQUEST_NULL;
	if (!fy_requests_reserve(&s->requests, 1))
		return false;
	int code = isend(s, g->data, (int)g->mine, MPI_BYTE, g->root, g->tag, &request);
	gather_add(s, g, code, request, part_done);
	return true;
}

static void word_done(struct fy_mpi_starts *s, const struct fy_completion *w, const MPI_Status *mpi,
                      int code)
{
	struct fy_gather *g = w->arg;
	if (mpi && code == MPI_SUCCESS && g->word != FERRY_OK) {
		g->status = g->word;
		g->detail = g->word == FERRY_ENOMEM
		                    ? "the root has no memory for what the ranks give"
		                    : "MPI failed at the root";
	} else if (mpi && code == MPI_SUCCESS && !send_part(s, g)) {
		g->next = s->unsent;
		s->unsent = g;
		s->n_unsent++;
		return; /* the word's request counts as open until the part is sent */
	}
	part_done(s, w, mpi, code);
}

/* Try again those for which there was no memory. */
void fy_gather_step(struct fy_mpi_starts *s)
{
	while (s->unsent && send_part(s, s->unsent)) {
		struct fy_gather *g = s->unsent;
		s->unsent = g->next;
		s->n_unsent--;
		if (--g->open == 0)
			gather_finish(s, g);
	}
}

/* On a rank that is not the root: wait for the word, or send the part. */
static void begin_part(struct fy_mpi_starts *s, struct fy_gather *g)
{
	MPI_Request request = MPI_REQUEST_NULL;
	if (g->mine > GATHER_SHORT) {
		int code = irecv(s, &g->word, 1, MPI_INT, g->root, g->tag, &request);
		gather_add(s, g, code, request, word_done);
	} else if (g->mine) {
		int code = isend(s, g->data, (int)g->mine, MPI_BYTE, g->root, g->tag, &request);
		gather_add(s, g, code, request, part_done);
	}
}

bool fy_gather_begin(struct fy_mpi_starts *s, const struct fy_start *a, ferry_future *future)
{
	static const int failed = FERRY_EMPI;
	bool root = a->peer == s->starts.engine->rank;
	size_t lengths = root ? (size_t)s->starts.engine->size * sizeof(uint64_t) : 0;
	MPI_Request request = MPI_REQUEST_NULL;
	struct fy_gather *g =
		fy_requests_reserve(&s->requests, 2) ? calloc(1, sizeof *g + lengths) : NULL;
	if (!g)
		return false;
	*g = (struct fy_gather){ .future = future,
		                 .root = a->peer,
		                 .tag = (int)(s->n_collectives % (uint32_t)s->tag_max),
		                 .mine = a->collective.nbytes,
		                 .data = a->collective.from,
		                 .open = 1 };
	int code = MPI_Igather(&g->mine, 1, MPI_UINT64_T, g->lengths, 1, MPI_UINT64_T, g->root,
	                       s->collectives, &request);
	if (fy_start_again(s, code)) {
		free(g);
		return false;
	}
	gather_add(s, g, code, request, lengths_done);
	if (!root && code == MPI_SUCCESS)
		begin_part(s, g);
	else if (root && code != MPI_SUCCESS)
		send_word(s, g, &failed, false);
	if (--g->open == 0)
		gather_finish(s, g);
	return true;
}

void fy_gather_abandon(struct fy_mpi_starts *s)
{
	while (s->unsent) {
		struct fy_gather *g = s->unsent;
		const struct fy_completion w = { .arg = g };
		s->unsent = g->next;
		part_done(s, &w, NULL, MPI_SUCCESS);
	}
	s->n_unsent = 0;
}
