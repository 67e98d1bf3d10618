/* SPDX-License-Identifier: Apache-2.0 */
/* The mailbox: messages that no handler takes, for ferry_recv. mailbox.h says who may do what. */
#include "shared/mailbox.h"

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ferry.h"
#include "base/futex.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/order.h"
#include "shared/message.h"

void fy_mailbox_init(struct fy_mailbox *box)
{
	memset(box, 0, sizeof *box);
	fy_inbox_init(&box->inbox);
	pthread_mutex_init(&box->lock, NULL);
}

void fy_mailbox_push(struct fy_mailbox *box, ferry_message *message)
{
	fy_add_64(&box->bytes, message->holds.charge + message->holds.large);
	fy_inbox_put(&box->inbox, &message->entry);
	/* A full fence before the load. A reader adds itself to `readers`, then reads `news`. */
	fy_add_32(&box->news, 1);
	if (fy_load_acquire_32(&box->readers))
		fy_futex_wake(&box->news, INT_MAX, false);
}

void fy_mailbox_nudge(struct fy_mailbox *box)
{
	fy_add_32(&box->news, 1);
	fy_futex_wake(&box->news, INT_MAX, false);
}

bool fy_mailbox_try(struct fy_mailbox *box)
{
	if (pthread_mutex_trylock(&box->lock) != 0)
		return false;
	fy_mailbox_sort(box);
	return true;
}

void fy_mailbox_unlock(struct fy_mailbox *box)
{
	pthread_mutex_unlock(&box->lock);
}

static struct fy_mail_list *list_of(struct fy_mailbox *box, uint32_t op)
{
	return &box->by_op[(op * 2654435761u) >> 26];
}

static void append(struct fy_mailbox *box, ferry_message *m)
{
	struct fy_mail_list *mine = list_of(box, m->op);
	m->next = NULL;
	m->mail.prev = box->all.last;
	*(m->mail.prev ? &m->mail.prev->next : &box->all.first) = m;
	box->all.last = m;
	m->mail.op_next = NULL;
	m->mail.op_prev = mine->last;
	*(m->mail.op_prev ? &m->mail.op_prev->mail.op_next : &mine->first) = m;
	mine->last = m;
}

void fy_mailbox_sort(struct fy_mailbox *box)
{
	fy_inbox_each (entry, fy_inbox_take_in_order(&box->inbox))
		append(box, fy_container_of(entry, ferry_message, entry));
}

void fy_mailbox_remove(struct fy_mailbox *box, ferry_message *m)
{
	struct fy_mail_list *mine = list_of(box, m->op);
	*(m->mail.prev ? &m->mail.prev->next : &box->all.first) = m->next;
	*(m->next ? &m->next->mail.prev : &box->all.last) = m->mail.prev;
	*(m->mail.op_prev ? &m->mail.op_prev->mail.op_next : &mine->first) = m->mail.op_next;
	*(m->mail.op_next ? &m->mail.op_next->mail.op_prev : &mine->last) = m->mail.op_prev;
	fy_sub_64(&box->bytes, m->holds.charge + m->holds.large);
}

/* FERRY_ANY_OP matches the program's ops, not the library's. */
static bool matches(const ferry_message *m, int source, uint32_t op)
{
	bool op_fits = op == FERRY_ANY_OP ? m->op < FERRY_OP_RESERVED : m->op == op;
	return op_fits && (source == FERRY_ANY || m->source == source);
}

ferry_message *fy_mailbox_take(struct fy_mailbox *box, int source, uint32_t op)
{
	bool any = op == FERRY_ANY_OP;
	ferry_message *m = any ? box->all.first : list_of(box, op)->first;
	while (m && !matches(m, source, op))
		m = any ? m->next : m->mail.op_next;
	if (m)
		fy_mailbox_remove(box, m);
	return m;
}

struct fy_mail_pattern *fy_mailbox_ask(struct fy_mailbox *box, int source, uint32_t op, int64_t now)
{
	struct fy_mail_pattern *oldest = &box->patterns[0];
	for (unsigned i = 0; i < box->n_patterns; i++) {
		struct fy_mail_pattern *p = &box->patterns[i];
		if (p->source == source && p->op == op) {
			p->asked_at = now;
			return p;
		}
		if (oldest->n_waiters || (!p->n_waiters && p->asked_at < oldest->asked_at))
			oldest = p;
	}
	if (box->n_patterns < FY_MAILBOX_PATTERNS)
		oldest = &box->patterns[box->n_patterns++];
	else if (oldest->n_waiters)
		return NULL; /* readers use them all: do not note this one */
	*oldest = (struct fy_mail_pattern){ .source = source, .op = op, .asked_at = now };
	return oldest;
}

bool fy_mailbox_wanted(const struct fy_mailbox *box, const ferry_message *m, int64_t since)
{
	for (unsigned i = 0; i < box->n_patterns; i++) {
		const struct fy_mail_pattern *p = &box->patterns[i];
		if (matches(m, p->source, p->op) && (p->n_waiters || p->asked_at >= since))
			return true;
	}
	return false;
}

bool fy_mailbox_known(const struct fy_mailbox *box, const ferry_message *m)
{
	for (unsigned i = 0; i < box->n_patterns; i++)
		if (box->patterns[i].op == m->op && matches(m, box->patterns[i].source, m->op))
			return true;
	return fy_mailbox_wanted(box, m, m->mail.arrived);
}
