/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mailbox: messages that no handler takes, for ferry_recv.
 *
 * The helm pushes onto `inbox`, a lock-free stack, and never waits for a reader. Readers take
 * `lock`, move what is in the inbox into ordered lists, and search those. Where the helm needs the
 * lists (a new handler, the grace of a call, close) it tries the lock; if a reader has it, the helm
 * comes back in the next step.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "base/inbox.h"

#define FY_MAILBOX_OPS 64      /* lists by hash of the op */
#define FY_MAILBOX_PATTERNS 64 /* what readers asked for, for the grace of calls */

struct fy_mail_list {
	ferry_message *first, *last;
};
struct fy_mail_pattern {
	int source;
	uint32_t op;
	uint32_t n_waiters; /* readers that wait for such a message now */
	int64_t asked_at;   /* when a reader last asked, in ns */
};

struct fy_mailbox {
	fy_inbox inbox; /* pushed by the helm (and by closing executors), emptied under lock */
	/* futex: bumped by whoever pushes (atomic add), read by waiting readers (acquire) */
	uint32_t news;
	uint32_t readers; /* readers that sleep: atomic add; read by the helm after the push */
	pthread_mutex_t lock;
	struct fy_mail_list all;                              /* under lock, in order of arrival */
	struct fy_mail_list by_op[FY_MAILBOX_OPS];            /* under lock, in that order, too */
	struct fy_mail_pattern patterns[FY_MAILBOX_PATTERNS]; /* under lock */
	unsigned n_patterns;
	/* of all messages in here: written by pushers and takers (atomic add), read by any */
	uint64_t bytes;
	/* 1: a message came back from an executor. Set by that thread (release) after the push,
	 * read (acquire) and cleared (swap) by the helm before it empties the inbox */
	uint32_t rescan;
	uint32_t threads; /* inside ferry_recv: atomic add by them */
};

void fy_mailbox_init(struct fy_mailbox *box);
/* The helm or an executor: put a message in, whose reference becomes the mailbox's. */
void fy_mailbox_push(struct fy_mailbox *box, ferry_message *message);
/* Take the oldest message that matches, or NULL. Under lock. */
ferry_message *fy_mailbox_take(struct fy_mailbox *box, int source, uint32_t op);
bool fy_mailbox_try(struct fy_mailbox *box);
void fy_mailbox_unlock(struct fy_mailbox *box);
/* Note what a reader asks for. NULL: no pattern is free. Under lock. */
struct fy_mail_pattern *fy_mailbox_ask(struct fy_mailbox *box, int source, uint32_t op,
                                       int64_t now);
/* Has a reader asked for such a message since `since`, or does one wait for it? Under lock. */
bool fy_mailbox_wanted(const struct fy_mailbox *box, const ferry_message *message, int64_t since);
/* Has a reader ever asked for its op, or for any op since the message came? Under lock. */
bool fy_mailbox_known(const struct fy_mailbox *box, const ferry_message *message);
void fy_mailbox_remove(struct fy_mailbox *box, ferry_message *message);
/* Move the inbox to the lists. Under lock. */
void fy_mailbox_sort(struct fy_mailbox *box);
/* Wake every reader so that it looks again. */
void fy_mailbox_nudge(struct fy_mailbox *box);
