/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages: a body and attachments, reference counted.
 *
 * Three origins:
 *  - the program's (ferry_message_create), writable until it is posted;
 *  - received and of its own (heap): body and attachments are its memory, and
 *    what it holds is charged to an account until it is freed or taken;
 *  - a view: the one message struct of the engine through which inline
 *    handlers see bytes in place, in the receive buffer. Retaining a view
 *    turns it into a heap message (the bytes are copied) and the engine makes itself a new view.
 */
#ifndef FY_SHARED_MESSAGE_H
#define FY_SHARED_MESSAGE_H

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
	ferry_release_fn *release; /* the program's; NULL with FY_MESSAGE_OWNS: free() */
	void *arg;
	bool owned; /* received: freed with the message, may be taken */
};

/* Of a request: its call, and what it is answered with. */
struct fy_answering {
	uint64_t call_id; /* 0: not a call */
	/* written by the one who answers, read by the helm after it took the request from the inbox
	 * of replies; NULL: an empty one */
	ferry_message *message;
	int status;   /* 0, or what ferry_reply_error said; then `message` carries the text */
	bool ferrys;  /* the status is the library's own */
	uint32_t tag; /* of its answer: written by who answers, then the helm's */
};

/* What a received message is counted by until it is freed. */
struct fy_holding {
	struct fy_account *account;
	uint64_t charge;        /* credit that goes back then */
	uint64_t large;         /* bytes of the large budget, likewise */
	struct fy_tally *tally; /* of its op; NULL: it is not counted */
};

/* A message's place in the mailbox, beside `next`. */
struct fy_mail_place {
	ferry_message *prev;              /* in the list of all */
	ferry_message *op_next, *op_prev; /* in the mailbox's list of one op */
	int64_t arrived;                  /* for the grace period */
};

struct ferry_message {
	uint32_t refs;  /* atomic add by all holders */
	uint32_t flags; /* FY_MESSAGE_*: written before the message is shared */
	/* constant but for a blank's next use; holds a reference of the engine struct unless
	 * a view */
	ferry *engine;
	uint32_t op;
	int source; /* the sender's rank, or -1 for the program's own */
	char *body;
	size_t nbytes;
	size_t body_capacity; /* the program's: allocated */
	/* FY_ANSWERED by whoever answers first (compare and swap); of a view its handler's */
	uint32_t answered;
	/* set by ferry_message_retain (relaxed), read by the thread that ran the handler */
	uint32_t retained;
	void *extra; /* the msgpack layer's */
	/* Above: a line of the cache, all that a short reply needs. */
	struct fy_attachment *attachments;
	size_t n_attachments;
	size_t attachments_capacity;
	struct fy_answering answer;
	struct fy_holding holds;
	struct fy_handler *handler; /* whose executor it waits in */
	struct fy_task task;        /* its place there */
	struct ferry_message *next; /* in a list of the mailbox, or of the helm */
	struct fy_mail_place mail;
	fy_inbox_entry entry;
	void (*extra_free)(void *extra);
	char unused[16];          /* up to the next line of the cache */
	_Alignas(16) char tail[]; /* a short body */
};

#define FY_MESSAGE_VIEW 0x1u
#define FY_MESSAGE_POSTED 0x2u /* unchangeable from now on */
#define FY_MESSAGE_RECEIVED 0x4u
#define FY_MESSAGE_CALL 0x8u /* a request that awaits an answer */
/* made for a reply: FY_MESSAGE_SMALL bytes in the tail, goes to the thread's cache */
#define FY_MESSAGE_BLANK 0x20u

#define FY_MESSAGE_BLOCK 0x40u     /* the body is a block (shared/block.h) */
#define FY_MESSAGE_ASKED 0x80u     /* it came as a request */
#define FY_MESSAGE_COLOUR 0x100u   /* received: it is of colour 1 */
#define FY_MESSAGE_RETURNED 0x200u /* into the mailbox, by an executor that did not handle it */

/* What `answered` is before that: nobody has tried, or a reply found no memory. Then whoever
 * answers in the end says so: the caller does not get an empty reply for one that was lost. */
#define FY_UNANSWERED 0u
#define FY_ANSWERED 1u
#define FY_ANSWER_FAILED 2u

#define FY_MESSAGE_SMALL 128u

/* What a retained record costs beyond its bytes: the struct above and malloc's share. */
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

/* A message of its own with room for a body; refs 1. NULL: no memory. */
ferry_message *fy_message_new(ferry *engine, uint32_t op, size_t nbytes);
/* An empty one that was received, of an engine that may have closed. NULL: no memory. */
ferry_message *fy_message_empty(ferry *engine);
/* A message for the reply to a call, from the cache of the thread that calls. NULL: no memory. */
ferry_message *fy_message_blank(struct fy_lane *lane);
/* The helm writes the reply into it. False: no memory for its body. */
bool fy_message_fill(ferry_message *blank, uint32_t op, int source, const void *body,
                     size_t nbytes);
/* ferry_message_create without the check for reserved ops. */
int fy_message_create(ferry *engine, uint32_t op, ferry_message **message_p);
/* Does its end call a function of the program? */
bool fy_message_runs_code(const ferry_message *message);
/* A received message with `count` attachments, memory not there yet. */
int fy_message_reserve_attachments(ferry_message *message, size_t count);
/* All bytes of it. */
size_t fy_message_total(const ferry_message *message);
/* What a post of it holds of send_memory: the body of what travels by itself. Attachments are the
 * program's memory, and what was received is paid from receive_memory. */
size_t fy_message_long_bytes(const ferry_message *message);
/* The last reference is gone: what is to happen to the message. */
void fy_message_free(ferry_message *message);
/* Answer for the program, which did not: with `status` of the library's own, or FERRY_ENOMEM after
 * a reply that failed for it. Takes a reference of the request. False: it was answered, and the
 * reference is still there. */
bool fy_message_answer_for(ferry_message *request, int status);
/* The view outlives its handler: it becomes a message of its own, if there is memory for it. */
void fy_message_keep(ferry_message *view);
/* Answer a request: hand it to the helm with `answer` (a reference, or NULL). The caller has won
 * `answered` and gives a reference of the request. */
void fy_message_send_answer(ferry_message *request);
/* Set up the view for a record in place. */
void fy_message_view(ferry_message *view, ferry *engine, uint32_t op, int source, void *body,
                     size_t nbytes, uint64_t call_id);

/* For the msgpack layer: a slot of the message, of the engine, and the options. */
void **fy_message_extra(ferry_message *message, void (*free_fn)(void *extra));
const ferry_options *fy_message_options(const ferry_message *message);
ferry *fy_message_engine(const ferry_message *message);

#endif
