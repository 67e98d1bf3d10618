/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helm's side of the mailbox. New handlers take what waits for them, calls that nobody takes
 * are answered, and messages that nobody will read any more are dropped. Only the holder of the
 * helm may call.
 */
#include "helm/mail.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/list.h"
#include "base/order.h"
#include "helm/deliver.h"
#include "helm/handlers.h"
#include "helm/progress.h"
#include "helm/report.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "shared/handler.h"
#include "shared/mailbox.h"
#include "shared/message.h"
#include "shared/tally.h"

/* A message in the mailbox counts as done. Now it will be handled, so count it as if it was posted
 * again; one that came back from an executor, as if it had been under way all the time. */
static void out_of_the_mailbox(struct fy_progress *p, ferry_message *m)
{
	struct fy_channel *ch = p->link.channels[m->source];
	if (m->flags & FY_MESSAGE_RETURNED) {
		p->link.counts.done[fy_message_colour(m->flags)]--;
		ch->counts.done[fy_message_colour(m->flags)]--;
	} else {
		fy_channel_issued(&p->link, ch, p->link.counts.colour, 1);
		m->flags = (m->flags & ~FY_MESSAGE_COLOUR) |
		           fy_message_coloured(p->link.counts.colour);
	}
	m->flags &= ~FY_MESSAGE_RETURNED;
}

static void append(struct fy_mail_list *list, ferry_message *m)
{
	m->next = NULL;
	fy_list_append(list->first, list->last, m);
}

/* Not under the mailbox's lock: an inline handler runs here, and may read the mailbox. */
static void deliver_all(struct fy_progress *p, struct fy_mail_list *list)
{
	ferry_message *m;
	while ((m = list->first)) {
		list->first = m->next;
		out_of_the_mailbox(p, m);
		fy_deliver_message(p, m);
	}
}

bool fy_mail_set_handler(struct fy_progress *p, struct fy_handler *handler, uint32_t op,
                         struct fy_handler **old_p)
{
	if (handler && !fy_mailbox_try(&p->link.engine->mailbox))
		return false;
	struct fy_handler **at = fy_handlers_place(p, op), *old = *at;
	if (old) {
		*at = old->next;
		fy_swap_32(&old->closed, 1);
	}
	if (old_p)
		*old_p = old; /* with the table's reference */
	if (!handler)
		return true;
	at = fy_handlers_place(p, op);
	handler->next = *at;
	*at = handler;
	ferry_message *m;
	struct fy_mail_list mine = { 0 };
	while ((m = fy_mailbox_take(&p->link.engine->mailbox, FERRY_ANY, op)))
		append(&mine, m);
	fy_mailbox_unlock(&p->link.engine->mailbox);
	deliver_all(p, &mine);
	return true;
}

static void no_handler(struct fy_progress *p, ferry_message *m)
{
	fy_report_untaken(p, m);
	fy_mailbox_remove(&p->link.engine->mailbox, m);
	if (!fy_message_answer_for(m, FERRY_ENOHANDLER))
		ferry_message_release(m);
}

/* Messages came back from an executor: take those for which there is a new handler. */
static void rescan(struct fy_progress *p, struct fy_mail_list *handled)
{
	for (ferry_message *m = p->link.engine->mailbox.all.first, *next; m; m = next) {
		next = m->next;
		if (!fy_handlers_find(p, m->op)) {
			m->flags &= ~FY_MESSAGE_RETURNED; /* it is for a reader, like any other */
			continue;
		}
		fy_mailbox_remove(&p->link.engine->mailbox, m);
		append(handled, m);
	}
}

/* `rescan` is cleared before the inbox is emptied: what is pushed later sets it again, and what was
 * pushed before is in the lists. The other way round a message that came between the two would be
 * in neither look. */
static bool open_box(struct fy_mailbox *box, bool again)
{
	if (again)
		fy_swap_32(&box->rescan, 0);
	bool open = fy_mailbox_try(box);
	if (again && !open)
		fy_store_release_32(&box->rescan, 1);
	return open;
}

/* Answer calls whose grace is over, and report such posts. Done seldom, and only if no reader has
 * the lock. */
void fy_mail_look(struct fy_progress *p)
{
	struct fy_mailbox *box = &p->link.engine->mailbox;
	struct fy_mail_list handled = { 0 };
	bool again = fy_load_acquire_32(&box->rescan);
	int64_t grace = p->link.options->handler_grace;
	if (!again && (grace == FERRY_NONE || p->link.now - p->mail.checked < grace / 8))
		return;
	if (fy_load_acquire_64(&box->bytes) == 0 || !open_box(box, again))
		return;
	p->mail.checked = p->link.now;
	if (again)
		rescan(p, &handled);
	for (ferry_message *m = box->all.first, *next; m && grace != FERRY_NONE; m = next) {
		next = m->next;
		if (p->link.now - m->mail.arrived < grace)
			continue;
		if (!(m->flags & FY_MESSAGE_CALL)) {
			if (m->holds.tally && !m->holds.tally->told && !fy_mailbox_known(box, m))
				fy_report_untaken(p, m);
		} else if (!fy_mailbox_wanted(box, m, m->mail.arrived)) {
			no_handler(p, m);
		}
	}
	fy_mailbox_unlock(box);
	deliver_all(p, &handled);
}

/* Drop all messages, because nobody will read them any more. */
void fy_mail_drop(struct fy_progress *p)
{
	struct fy_mailbox *box = &p->link.engine->mailbox;
	if (fy_load_acquire_64(&box->bytes) == 0 || fy_load_acquire_32(&box->readers) ||
	    !fy_mailbox_try(box))
		return;
	while (box->all.first) {
		ferry_message *m = box->all.first;
		fy_mailbox_remove(box, m);
		p->link.stats.dropped++;
		fy_report_dropped(&p->mail.unread, m);
		ferry_message_release(m);
	}
	fy_mailbox_unlock(box);
}
