/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages: a body and attachments, reference counted. Any thread. There are three kinds:
 *  - the program's (ferry_message_create), writable until it is posted;
 *  - a received one, with memory of its own for body and attachments, which is charged to an
 *    account until it is freed or taken;
 *  - the view: the engine's one message struct through which inline handlers see bytes in place, in
 *    the receive buffer. A view that is retained becomes a received message (the bytes are copied),
 *    and the engine makes itself a new view.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/inbox.h"
#include "future/task.h"

struct fy_account;
struct fy_handler;
struct fy_lane;
struct fy_tally;

struct fy_attachment {
	void *data;
	size_t nbytes;
	ferry_release_fn *release; /* the program's, or NULL */
	void *arg;
	bool owned; /* received: freed with the message, may be taken */
};

/* A request's call and its answer. The answer is written by the thread that set `answered`, and
 * read by the helm after it took the request from the inbox of replies. */
struct fy_answering {
	uint64_t call_id;       /* 0: not a call */
	ferry_message *message; /* NULL: an empty reply */
	int status;             /* 0, or that of ferry_reply_error, whose text `message` has */
	bool ferrys;            /* the status is the library's own */
	uint32_t tag;           /* the reply's tag */
};

/* What goes back when a received message is freed. */
struct fy_holding {
	struct fy_account *account;
	uint64_t charge;        /* bytes of credit */
	uint64_t large;         /* bytes of the budget for large messages */
	struct fy_tally *tally; /* of its op; NULL: it is not counted */
};

/* A message's place in the mailbox, beside `next`. */
struct fy_mail_place {
	ferry_message *prev;              /* in the list of all */
	ferry_message *op_next, *op_prev; /* in the mailbox's list of one op */
	int64_t arrived;                  /* ns; for the grace (handler_grace) */
};

struct ferry_message {
	uint32_t refs;  /* atomic add by all holders */
	uint32_t flags; /* FY_MESSAGE_*: written before the message is shared */
	/* constant until a blank is used again; all but the view have a reference of it */
	ferry *engine;
	uint32_t op;
	int source; /* the sender's rank, or -1 for the program's own */
	char *body;
	size_t nbytes;
	size_t body_capacity; /* of a program's message: how many bytes are allocated */
	/* set to FY_ANSWERED by the thread that answers first (compare and swap); a view's only by
	 * its handler's thread */
	uint32_t answered;
	/* set by ferry_message_retain (relaxed), read by the thread that ran the handler */
	uint32_t retained;
	void *extra; /* of codec/, see object.c */
	/* Above: one cache line, all that a short reply needs. */
	struct fy_attachment *attachments;
	size_t n_attachments;
	size_t attachments_capacity;
	struct fy_answering answer;
	struct fy_holding holds;
	struct fy_handler *handler; /* in whose executor the message is queued */
	struct fy_task task;        /* its place in that queue */
	struct ferry_message *next; /* in a list of the mailbox, or of the helm */
	struct fy_mail_place mail;
	fy_inbox_entry entry;
	void (*extra_free)(void *extra);
	uint64_t traced;          /* received: its place in the timeline, or 0 */
	char unused[8];           /* up to the next cache line */
	_Alignas(16) char tail[]; /* a short body */
};

#define FY_MESSAGE_VIEW 0x1u
#define FY_MESSAGE_POSTED 0x2u /* it cannot be changed any more */
#define FY_MESSAGE_RECEIVED 0x4u
#define FY_MESSAGE_CALL 0x8u /* a request that awaits an answer */
/* made for a reply: FY_MESSAGE_SMALL bytes in the tail, goes to the thread's cache */
#define FY_MESSAGE_BLANK 0x20u

#define FY_MESSAGE_BLOCK 0x40u     /* the body is a block (shared/block.h) */
#define FY_MESSAGE_ASKED 0x80u     /* it came as a request */
#define FY_MESSAGE_COLOUR 0x100u   /* received: it is of colour 1 */
#define FY_MESSAGE_RETURNED 0x200u /* an executor put it back into the mailbox, unhandled */

/* The values of `answered`: no thread has tried; it is answered; a reply found no memory. In the
 * last case whoever answers in the end says so, so that the caller does not take an empty reply for
 * the one that was lost. */
#define FY_UNANSWERED 0u
#define FY_ANSWERED 1u
#define FY_ANSWER_FAILED 2u

#define FY_MESSAGE_SMALL 128u

/* Bytes of credit that a retained record costs beyond its own: the struct above and malloc's. */
#define FY_MESSAGE_CHARGE 320u

bool fy_message_may_answer(ferry_message *request, uint32_t *before_p);

static inline unsigned fy_message_colour(uint32_t flags)
{
	return flags & FY_MESSAGE_COLOUR ? 1 : 0;
}
static inline uint32_t fy_message_coloured(unsigned colour)
{
	return colour ? FY_MESSAGE_COLOUR : 0;
}

/* A message with a body of `nbytes`, one reference. NULL: no memory. */
ferry_message *fy_message_new(ferry *engine, uint32_t op, size_t nbytes);
/* A received message that is empty, of an engine that may have closed. NULL: no memory. */
ferry_message *fy_message_empty(ferry *engine);
/* A blank for the reply to a call, from the calling thread's cache. NULL: no memory. */
ferry_message *fy_message_blank(struct fy_lane *lane);
/* The helm writes the reply into it. False: no memory for its body. */
bool fy_message_fill(ferry_message *blank, uint32_t op, int source, const void *body,
                     size_t nbytes);
/* Is it an op of the program's? 0, or FERRY_EINVAL with a sentence. */
int fy_message_check_op(uint32_t op);
/* ferry_message_create without the check for reserved ops. */
int fy_message_create(ferry *engine, uint32_t op, ferry_message **message_p);
/* Does freeing it call a function of the program? */
bool fy_message_runs_code(const ferry_message *message);
/* Give a received message `count` attachments, without their memory. 0 or FERRY_ENOMEM. */
int fy_message_reserve_attachments(ferry_message *message, size_t count);
/* How many bytes it has, body and attachments. */
size_t fy_message_total(const ferry_message *message);
/* How many bytes of send_memory a post of it takes: the body, if it does not travel in the lane.
 * Attachments are the program's memory, and a received message is paid from receive_memory. */
size_t fy_message_long_bytes(const ferry_message *message);
/* The last reference was dropped: free the message, or put it back into the cache. */
void fy_message_free(ferry_message *message);
/* Answer a request that the program did not answer: with `status`, as the library's own, or with
 * FERRY_ENOMEM after a reply that found no memory. Takes a reference of the request over. False: it
 * was answered before, and the reference is still the caller's. */
bool fy_message_answer_for(ferry_message *request, int status);
/* The view outlives its handler: make it a message of its own, if there is memory. */
void fy_message_keep(ferry_message *view);
/* Hand a request to the helm to be answered with `answer` (a reference, or NULL). The caller has
 * set `answered`, and its reference of the request is taken over. */
void fy_message_send_answer(ferry_message *request);
/* Set up the view for a record in place. */
void fy_message_view(ferry_message *view, ferry *engine, uint32_t op, int source, void *body,
                     size_t nbytes, uint64_t call_id);

/* For the msgpack layer: a slot of the message. */
void **fy_message_extra(ferry_message *message, void (*free_fn)(void *extra));
