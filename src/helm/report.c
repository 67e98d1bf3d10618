/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports to people who have not asked: messages that nobody takes, and what a close waits for.
 * Only the holder of the helm may call.
 */
#include "helm/report.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ferry.h"
#include "base/log.h"
#include "base/order.h"
#include "helm/agree.h"
#include "helm/handlers.h"
#include "helm/news.h"
#include "helm/progress.h"
#include "helm/put.h"
#include "link/call.h"
#include "link/channel.h"
#include "port/starts.h"
#include "shared/engine.h"
#include "shared/handler.h"
#include "shared/mailbox.h"
#include "shared/message.h"
#include "shared/tally.h"
#include "wire/bodies.h"
#include "bulk/pair.h"
#include "helm/peer.h"

#define LINE_BYTES 900
#define NAMED 4u /* how many ops, or ranks, a line names for one thing that is waited for */

struct text {
	char *to;
	size_t room;
	bool begun;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int n = vsnprintf(t->to, t->room, format, arguments);
	va_end(arguments);
	size_t used = n < 0 ? 0 : (size_t)n < t->room ? (size_t)n : t->room - 1;
	t->to += used;
	t->room -= used;
}

/* Begin the next thing that is waited for. */
static void begin(struct text *t)
{
	if (t->begun)
		put(t, "; ");
	t->begun = true;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void put_op(struct text *t, uint32_t op)
{
	if (op == FERRY_ANY_OP)
		put(t, "other ops");
	else
		put(t, "op %#x", op);
}

/* "rank 1", "ranks 1, 2 and 3", "ranks 0, 1, 2, 3 and 12 others" */
static void put_ranks(struct text *t, const struct fy_awaited *ranks)
{
	unsigned named = ranks->count < FY_AWAITED_NAMED ? ranks->count : FY_AWAITED_NAMED;
	put(t, "rank%s ", plural(ranks->count));
	for (unsigned i = 0; i < named; i++) {
		bool last = i + 1 == ranks->count;
		put(t, "%s%u", !i ? "" : last ? " and " : ", ", ranks->first[i]);
	}
	if (ranks->count > named)
		put(t, " and %u other%s", ranks->count - named, plural(ranks->count - named));
}

void fy_report_dropped(struct fy_unread *unread, const ferry_message *m)
{
	unsigned i = 0;
	while (i < unread->n &&
	       (unread->some[i].op != m->op || unread->some[i].source != m->source))
		i++;
	unread->count++;
	if (i == FY_UNREAD_NAMED)
		return;
	if (i == unread->n)
		unread->some[unread->n++] =
			(struct fy_unread_of){ .op = m->op, .source = m->source };
	unread->some[i].count++;
}

static void put_unread(struct text *t, const struct fy_unread *unread)
{
	uint64_t rest = unread->count;
	for (unsigned i = 0; i < unread->n; i++) {
		const struct fy_unread_of *of = &unread->some[i];
		put(t, "%s%llu of ", i ? ", " : "", (unsigned long long)of->count);
		put_op(t, of->op);
		put(t, " from rank %d", of->source);
		rest -= of->count;
	}
	if (rest)
		put(t, " and %llu more", (unsigned long long)rest);
}

void fy_report_say_dropped(const ferry *e, struct fy_unread *unread)
{
	char line[LINE_BYTES];
	struct text t = { line, sizeof line, false };
	if (!unread->count)
		return;
	put_unread(&t, unread);
	fy_log_say(e->log, e->rank, "closed with %llu message%s that nobody handled or read: %s",
	           (unsigned long long)unread->count, plural(unread->count), line);
	*unread = (struct fy_unread){ 0 };
}

void fy_report_untaken(struct fy_progress *p, const ferry_message *of)
{
	char line[LINE_BYTES];
	struct text t = { line, sizeof line, false };
	struct fy_unread unread = { 0 };
	if (!of->holds.tally || of->holds.tally->told)
		return;
	of->holds.tally->told = true;
	for (const ferry_message *m = p->link.engine->mailbox.all.first; m; m = m->next)
		if (m->holds.tally == of->holds.tally)
			fy_report_dropped(&unread, m);
	put_unread(&t, &unread);
	fy_log_say(
		p->link.engine->log, p->link.engine->rank,
		"%llu message%s wait%s for a handler or a reader, longer than handler_grace: %s; "
		"give the op a handler by ferry_handle, or read it by ferry_recv",
		(unsigned long long)unread.count, plural(unread.count),
		unread.count == 1 ? "s" : "", line);
}

static void put_agreement(struct fy_progress *p, struct text *t)
{
	const struct fy_agree *a = &p->agree;
	struct fy_awaited awaited;
	if (!p->close.begun) {
		begin(t);
		put(t, a->kind ? "a ferry_fence of this rank that is not over"
		               : "the progress thread");
		return;
	}
	if (a->kind != FY_AGREE_CLOSE)
		return;
	fy_news_awaited(p, &awaited);
	if (awaited.count == 0 ||
	    (awaited.count == 1 && awaited.first[0] == (uint32_t)p->link.engine->rank))
		return; /* only this rank; what it waits for follows */
	begin(t);
	put_ranks(t, &awaited);
	put(t, a->everybody ? ", with something under way there" : ", not in ferry_close");
}

static void put_channels(struct fy_progress *p, struct text *t,
                         bool (*is)(const struct fy_progress *p, const struct fy_channel *ch),
                         const char *before, const char *after)
{
	struct fy_awaited ranks = { 0 };
	fy_link_each (ch, &p->link)
		if (!ch->gone && is(p, ch)) {
			if (ranks.count < FY_AWAITED_NAMED)
				ranks.first[ranks.count] = (uint32_t)ch->rank;
			ranks.count++;
		}
	if (!ranks.count)
		return;
	begin(t);
	put(t, "%s", before);
	put_ranks(t, &ranks);
	put(t, "%s", after);
}

static bool holds_posts_back(const struct fy_progress *p, const struct fy_channel *ch)
{
	struct fy_peer *peer = fy_peer_of(ch);
	return peer->queue.first || (p->drain.broke_off && peer->queue.no_room_since);
}

static bool has_not_confirmed(const struct fy_progress *p, const struct fy_channel *ch)
{
	(void)p;
	return ch->pending.first || ch->streams_out;
}

static bool owes_goodbye(const struct fy_progress *p, const struct fy_channel *ch)
{
	return p->close.byes && ch->bye.owed && !ch->bye.seen;
}

static bool owes_grant(const struct fy_progress *p, const struct fy_channel *ch)
{
	struct fy_outbounds *outs = fy_pair_out(ch);
	(void)p;
	return outs->ungranted || outs->active;
}

static bool sends_large(const struct fy_progress *p, const struct fy_channel *ch)
{
	(void)p;
	return fy_pair_in(ch)->first;
}

static void put_handler(const struct fy_handler *h, struct text *t, unsigned *named)
{
	if (!h || !h->where)
		return;
	uint32_t running = fy_load_acquire_32((uint32_t *)(uintptr_t)&h->running);
	/* one reference is the table's, the others are of messages */
	uint32_t refs = fy_load_acquire_32((uint32_t *)(uintptr_t)&h->refs);
	if ((!running && refs <= 1) || ++*named > NAMED)
		return;
	begin(t);
	put(t, "%u handler%s of ", running, plural(running));
	put_op(t, h->op);
	put(t, " running and %u message%s waiting for one",
	    refs > 1 + running ? refs - 1 - running : 0,
	    plural(refs > 1 + running ? refs - 1 - running : 0));
}

static void put_handlers(struct fy_progress *p, struct text *t)
{
	unsigned named = 0;
	for (unsigned i = 0; i < FY_OPS_DIRECT; i++)
		put_handler(p->handlers.direct[i], t, &named);
	for (unsigned i = 0; i < FY_OPS_HASHED; i++)
		for (const struct fy_handler *h = p->handlers.hashed[i]; h; h = h->next)
			put_handler(h, t, &named);
}

/* Count the unread messages, also by op in the tallies. Under the mailbox's lock. */
static void count_unread(ferry *e, struct fy_unread *unread)
{
	for (unsigned i = 0; i < FY_TALLIES; i++)
		for (struct fy_tally *tally = e->tallies.of[i]; tally; tally = tally->next)
			tally->unread = 0;
	for (const ferry_message *m = e->mailbox.all.first; m; m = m->next) {
		fy_report_dropped(unread, m);
		if (m->holds.tally)
			m->holds.tally->unread++;
	}
}

static void put_retained(struct fy_progress *p, struct text *t)
{
	unsigned named = 0;
	for (unsigned i = 0; i < FY_TALLIES; i++)
		for (struct fy_tally *tally = p->link.engine->tallies.of[i]; tally;
		     tally = tally->next) {
			const struct fy_handler *h = fy_handlers_find(p, tally->op);
			uint64_t freed = fy_load_acquire_64(&tally->freed);
			uint64_t asked = tally->n_requests - fy_load_acquire_64(&tally->answered);
			uint64_t elsewhere = tally->unread;
			if (h && h->where)
				elsewhere +=
					fy_load_acquire_32((uint32_t *)(uintptr_t)&h->refs) - 1;
			if (tally->n_received - freed <= elsewhere || ++named > NAMED)
				continue;
			uint64_t n = tally->n_received - freed - elsewhere;
			begin(t);
			put(t, "%llu message%s of ", (unsigned long long)n, plural(n));
			put_op(t, tally->op);
			put(t, " retained and not released%s",
			    asked > tally->unread ? ", among them requests" : "");
		}
}

static void put_mail(struct fy_progress *p, struct text *t)
{
	struct fy_unread unread = { 0 };
	if (!fy_mailbox_try(&p->link.engine->mailbox))
		return;
	count_unread(p->link.engine, &unread);
	fy_mailbox_unlock(&p->link.engine->mailbox);
	put_retained(p, t);
	if (!unread.count)
		return;
	begin(t);
	put(t, "unread messages: ");
	put_unread(t, &unread);
}

static void put_calls(struct fy_progress *p, struct text *t)
{
	if (!p->link.calls.open)
		return;
	uint32_t i = 0;
	while (!p->link.calls.slots[i].future)
		i++;
	begin(t);
	put(t, "%u call%s of this rank without a reply, one from rank %d", p->link.calls.open,
	    plural(p->link.calls.open), p->link.calls.slots[i].rank);
}

void fy_report_close(struct fy_progress *p, char *line, size_t nbytes)
{
	struct text t = { line, nbytes, false };
	line[0] = '\0';
	put_agreement(p, &t);
	put_handlers(p, &t);
	put_mail(p, &t);
	put_channels(p, &t, holds_posts_back, "posts that wait for room at ", "");
	put_channels(p, &t, has_not_confirmed, "posts that are not confirmed by ", "");
	put_channels(p, &t, owes_grant, "large messages that are not sent to ", "");
	put_channels(p, &t, sends_large, "large messages that have not come from ", "");
	put_channels(p, &t, owes_goodbye, "the goodbye of ", "");
	put_calls(p, &t);
	if (p->starts && p->starts->awaited) {
		begin(&t);
		put(&t, "%zu operation%s of MPI that the program started", p->starts->awaited,
		    plural(p->starts->awaited));
	}
	if (!t.begun)
		put(&t, "messages that are on their way");
}
