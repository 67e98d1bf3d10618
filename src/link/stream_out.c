/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sender's side of a stream in which a large message is under way: its records are marked
 * FY_HELD, and counted until they are acknowledged. Only the holder of the helm may call.
 */
#include "link/stream_out.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/list.h"
#include "future/future.h"
#include "link/link.h"
#include "link/channel.h"
#include "link/counted.h"
#include "link/failure.h"
#include "link/pending.h"
#include "wire/bodies.h"

bool fy_stream_out_reserve(struct fy_channel *ch, struct fy_stream_out *s)
{
	struct fy_run *run = s->runs_last;
	uint64_t place = fy_channel_place(ch);
	uint32_t seq = (uint32_t)(place >> 32), index = (uint32_t)place;
	if (run && run->count && run->seq == seq && run->index + run->count == index)
		return true;
	if (!run || run->count) { /* an empty run is of a record that was not put after all */
		run = calloc(1, sizeof *run);
		if (!run)
			return false;
		fy_list_append(s->runs, s->runs_last, run);
	}
	*run = (struct fy_run){ .seq = seq, .index = index, .number = s->sent + 1 };
	return true;
}

static void drop_first_run(struct fy_stream_out *s)
{
	struct fy_run *run = s->runs;
	fy_list_drop(s->runs, s->runs_last);
	free(run);
}

/* An acknowledgement has only a count: it means the oldest records that are still counted. */
static void runs_acked(struct fy_stream_out *s, uint32_t count)
{
	for (struct fy_run *run; (run = s->runs) != NULL; drop_first_run(s)) {
		uint32_t n = count < run->count ? count : run->count;
		count -= n;
		run->index += n;
		run->number += n;
		run->count -= n;
		if (run->count)
			break;
	}
	s->acked = s->runs ? s->runs->number - 1 : s->sent;
}

static void stream_free(struct fy_link *link, struct fy_stream_out *s)
{
	while (s->runs)
		drop_first_run(s);
	link->n_streams--;
	free(s);
}

void fy_stream_out_settle(struct fy_link *link, struct fy_channel *ch, struct fy_stream_out *s)
{
	struct fy_stream_out **at = &ch->streams_out;
	if (s->outstanding)
		return;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	stream_free(link, s);
}

/* Refused FY_HELD records are no longer counted, because only the others are acknowledged. */
void fy_stream_out_refuse(struct fy_link *link, struct fy_channel *ch, struct fy_stream_out *s,
                          const struct fy_refused *r)
{
	struct fy_run *before = NULL, *next;
	for (struct fy_run *run = s->runs; run; run = next) {
		uint32_t kept = r->index > run->index ? r->index - run->index : 0;
		next = run->next;
		if (run->seq != r->seq || kept >= run->count) {
			before = run;
			continue;
		}
		uint32_t number = run->number + kept, count = run->count - kept;
		s->outstanding -= count;
		run->count = kept;
		if (kept) {
			before = run;
		} else {
			*(before ? &before->next : &s->runs) = next;
			if (!next)
				s->runs_last = before;
			free(run);
		}
		fy_counted_refuse(link, ch, &s->counted, (uint64_t)r->seq << 32 | number, r->status,
		                  fy_pending_unread);
		for (; count; count--, number++) /* `number` may wrap */
			fy_pending_refuse(link, ch, &s->first, &s->last, number, 1, r->status);
	}
	runs_acked(s, 0);
}

struct fy_stream_out *fy_stream_out_find(struct fy_link *link, struct fy_channel *ch,
                                         uint32_t stream, bool create)
{
	struct fy_stream_out *s = ch->streams_out;
	while (s && s->stream != stream)
		s = s->next;
	if (s || !create)
		return s;
	s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->stream = stream;
	s->next = ch->streams_out;
	ch->streams_out = s;
	ch->fast_end = NULL;
	link->n_streams++;
	return s;
}

bool fy_stream_out_acked(struct fy_link *link, struct fy_channel *ch,
                         const struct fy_ack_stream *ack, uint32_t *upto)
{
	struct fy_stream_out *s = fy_stream_out_find(link, ch, ack->stream, false);
	if (!s || ack->count > s->outstanding) {
		link->stats.malformed++;
		return false;
	}
	runs_acked(s, ack->count);
	s->outstanding -= ack->count;
	*upto = s->acked;
	while (s->first && (int32_t)((uint32_t)s->first->id - s->acked) <= 0)
		fy_pending_complete(link, ch, fy_pending_pop(&s->first, &s->last), 0, NULL);
	fy_counted_acked(link, &s->counted, s->acked);
	fy_stream_out_settle(link, ch, s);
	return true;
}

void fy_stream_out_fail(struct fy_link *link, struct fy_channel *ch, uint32_t stream,
                        uint32_t number, int status, const char *detail)
{
	struct fy_stream_out *s = fy_stream_out_find(link, ch, stream, false);
	ferry_future *before = NULL;
	for (ferry_future *f = s ? s->first : NULL; f; before = f, f = f->next) {
		if ((uint32_t)f->id != number)
			continue;
		*(before ? &before->next : &s->first) = f->next;
		if (s->last == f)
			s->last = before;
		fy_pending_complete(link, ch, f, status, detail);
		return;
	}
	if (!s || !fy_counted_fail_one(link, ch, &s->counted, number, status, detail))
		fy_failure_note(ch, stream, status, detail);
}

void fy_stream_out_fail_all(struct fy_link *link, struct fy_channel *ch, int status,
                            const char *detail)
{
	while (ch->streams_out) {
		struct fy_stream_out *s = ch->streams_out;
		ch->streams_out = s->next;
		fy_pending_fail(link, ch, &s->first, &s->last, status, detail);
		fy_counted_fail_all(link, ch, &s->counted, status, detail);
		stream_free(link, s);
	}
}
