/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks, their numbers, and their tags.
 *
 * The chunks of a rank to another are numbered from 0 on, in the order of the announcements. Number
 * c has the tag 1 + c % tag_span, so that a receive needs no header to be matched by. With MPI's
 * usual 2^28 tags two chunks under way never have the same one. An MPI may have as few as 32767,
 * which is 8 GiB of chunks; and what waits for its grant meanwhile may be as old as it likes. So,
 * where tags repeat:
 *
 *  - Messages get a turn, on both sides: prepaid ones when they are announced, others when they are
 *    granted. A chunk is not sent, nor its receive posted, while a chunk with the same tag is
 *    unfinished of a message with an earlier turn, or of its own message. So each tag is used in
 *    the same order on both sides.
 *  - Both sides give turns in the same order, as far as it matters. Grants arrive in the order in
 *    which they were given, and prepaid announcements are seen before what is announced behind
 *    them. What could differ is a prepaid message and one that was announced before it and is
 *    granted just now: therefore a message is prepaid only if its tags are not those of any
 *    unfinished chunk, granted or not.
 *  - Nothing waits for what is not granted, so a reply never waits for a request that has no memory
 *    yet. Whatever has a turn ends by itself, and waits only for earlier turns.
 *
 * fy_turns knows between which two numbers all unfinished ones are. While these are not further
 * apart than there are tags nothing needs to be looked at; and the lower one is brought up to date
 * only when they are.
 */
#include "transfer.h"

#include <stddef.h>
#include <stdlib.h>

/* ---- kept chunks --------------------------------------------------------------------- */

struct fy_chunk *fy_chunk_get(struct fy_progress *p)
{
	struct fy_chunk *c = p->chunks;
	if (!c)
		return calloc(1, sizeof *c);
	p->chunks = c->next;
	c->next = NULL;
	c->lost = false;
	return c;
}

void fy_chunk_put(struct fy_progress *p, struct fy_chunk *c)
{
	c->next = p->chunks;
	p->chunks = c;
}

void fy_chunk_free_all(struct fy_progress *p)
{
	while (p->chunks) {
		struct fy_chunk *c = p->chunks;
		p->chunks = c->next;
		free(c);
	}
}

/* ---- a message in chunks ---------------------------------------------------------------- */

int fy_chunk_tag(const struct fy_progress *p, uint64_t number)
{
	return 1 + (int)(number % (uint64_t)p->tag_span);
}

static uint64_t chunk_count(uint64_t nbytes, size_t chunk_bytes)
{
	return nbytes / chunk_bytes + (nbytes % chunk_bytes != 0);
}

char *fy_part_data(const ferry_message *m, uint32_t part)
{
	return part == 0 ? m->body : m->attachments[part - 1].data;
}

uint64_t fy_chunk_count_all(const ferry_message *m, uint32_t n_parts, size_t chunk_bytes)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < n_parts; i++)
		n += chunk_count(fy_part_length(m, i), chunk_bytes);
	return n;
}

/* ---- its flow ------------------------------------------------------------------------------ */

void fy_flow_start(struct fy_progress *p, struct fy_flow *flow, struct fy_chunk *c, size_t nbytes)
{
	c->next = NULL;
	c->number = flow->at.number;
	c->nbytes = nbytes;
	*(flow->flight_last ? &flow->flight_last->next : &flow->flight) = c;
	flow->flight_last = c;
	flow->n_flight++;
	p->n_chunks++;
	flow->at.offset += nbytes;
	flow->at.number++;
	flow->refused_since = 0;
}

bool fy_flow_refused(struct fy_progress *p, struct fy_flow *flow)
{
	if (!flow->refused_since)
		flow->refused_since = p->now;
	return p->now - flow->refused_since > FY_REFUSED_LAST;
}

/* ---- tags ------------------------------------------------------------------------------------ */

/* The lowest number that is not finished. */
static uint64_t lowest(const struct fy_flow *flow)
{
	uint64_t low = flow->flight ? flow->flight->number : flow->at.number;
	return flow->keeps_tags && flow->kept < low ? flow->kept : low;
}

void fy_flow_keep_tag(struct fy_flow *flow, uint64_t number)
{
	if (!flow->keeps_tags || number < flow->kept)
		flow->kept = number;
	flow->keeps_tags = true;
}

static bool has_tag(const struct fy_progress *p, const struct fy_flow *flow, uint64_t number)
{
	uint64_t span = (uint64_t)p->tag_span, low = lowest(flow);
	uint64_t ahead = (number % span + span - low % span) % span;
	return ahead < flow->end - low;
}

static void widen(struct fy_turns *turns, const struct fy_flow *flow)
{
	uint64_t low = lowest(flow);
	bool none = turns->low == turns->high;
	if (none || low < turns->low)
		turns->low = low;
	if (none || flow->end > turns->high)
		turns->high = flow->end;
}

static void look_again(struct fy_turns *turns)
{
	turns->low = turns->high = 0;
	for (const struct fy_flow *f = turns->first; f; f = f->turn_next)
		widen(turns, f);
}

void fy_turns_take(struct fy_turns *turns, struct fy_flow *flow)
{
	struct fy_flow **last = turns->last ? &turns->last->turn_next : &turns->first;
	flow->turn_next = NULL;
	flow->turn_here = last;
	*last = flow;
	turns->last = flow;
	widen(turns, flow);
}

static struct fy_flow *flow_before(struct fy_turns *turns, const struct fy_flow *flow)
{
	if (flow->turn_here == &turns->first)
		return NULL;
	return (struct fy_flow *)(void *)((char *)flow->turn_here -
	                                  offsetof(struct fy_flow, turn_next));
}

void fy_turns_leave(struct fy_turns *turns, struct fy_flow *flow)
{
	if (!flow->turn_here)
		return;
	if (turns->last == flow)
		turns->last = flow_before(turns, flow);
	*flow->turn_here = flow->turn_next;
	if (flow->turn_next)
		flow->turn_next->turn_here = flow->turn_here;
	flow->turn_here = NULL;
}

static bool are_few(const struct fy_progress *p, const struct fy_turns *turns)
{
	return turns->high - turns->low <= (uint64_t)p->tag_span;
}

bool fy_turns_tag_free(struct fy_progress *p, struct fy_turns *turns, const struct fy_flow *flow)
{
	if (are_few(p, turns))
		return true;
	look_again(turns);
	if (are_few(p, turns))
		return true;
	for (const struct fy_flow *f = turns->first; f != flow; f = f->turn_next)
		if (has_tag(p, f, flow->at.number))
			return false;
	return flow->at.number - lowest(flow) < (uint64_t)p->tag_span;
}

bool fy_turns_single(struct fy_progress *p, struct fy_turns *turns, uint64_t low, uint64_t end)
{
	uint64_t span = (uint64_t)p->tag_span;
	if (!turns->first)
		return end - low <= span;
	if (end - (turns->low < low ? turns->low : low) <= span)
		return true;
	look_again(turns);
	return end - (turns->low < low ? turns->low : low) <= span;
}
