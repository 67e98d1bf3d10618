/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probe. It follows one batch at a time, so it needs no memory and no list. Only the holder of
 * the helm may call.
 */
#include "link/probe.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/batch.h"
#include "link/call.h"
#include "link/channel.h"
#include "link/link.h"
#include "port/port.h"
#include "wire/header.h"
#include "wire/record.h"

void fy_probe_note(struct fy_probe *probe, enum fy_monitor_stage stage, int64_t took)
{
	struct fy_monitor_histogram *h = &probe->stages[stage];
	uint64_t ns = took > 0 ? (uint64_t)took : 0;
	h->count++;
	h->sum += ns;
	if (ns > h->longest)
		h->longest = ns;
	h->in[fy_monitor_bucket_of(ns)]++;
}

/* The id of the first call in a batch, or 0. */
static uint64_t first_call(const struct fy_batch *b)
{
	const char *at = b->bytes + sizeof(struct fy_batch_header);
	for (uint32_t n = b->nrecords; n; n--) {
		const struct fy_record *r = fy_record_at((char *)(uintptr_t)at);
		if (fy_record_kind(r) == FY_KIND_CALL)
			return fy_record_ext(r);
		at += fy_record_size(r->size_flags);
	}
	return 0;
}

/* The acceptance is waited for only if the peer tells it soon: because it is asked to, or with a
 * reply. */
void fy_probe_sent(struct fy_link *link, struct fy_channel *ch, const struct fy_batch *b)
{
	struct fy_probe *probe = &link->noted.probe;
	const struct fy_batch_header *h = fy_header_of(b->bytes);
	if (!b->nrecords)
		return;
	probe->armed = false;
	int64_t now = link->port->ops->now(link->port);
	fy_probe_note(probe, FY_MONITOR_BATCH, now - b->opened);
	if (probe->ch)
		return;
	probe->call_id = first_call(b);
	probe->accept_open = probe->call_id || h->flags & FY_BATCH_WANTS_ACK;
	if (!probe->accept_open)
		return;
	probe->ch = ch;
	probe->seq = h->seq;
	probe->sent_at = now;
	probe->taken_at = b->opened;
}

void fy_probe_answered(struct fy_link *link, const struct fy_batch_header *h)
{
	struct fy_probe *probe = &link->noted.probe;
	int64_t now = link->port->ops->now(link->port);
	if (probe->accept_open && (int32_t)(probe->seq - h->accepted) <= 0) {
		fy_probe_note(probe, FY_MONITOR_ACCEPT, now - probe->sent_at);
		probe->accept_open = false;
	}
	if (probe->call_id && !fy_call_peek(&link->calls, probe->call_id, probe->ch->rank)) {
		fy_probe_note(probe, FY_MONITOR_REPLY, now - probe->taken_at);
		probe->call_id = 0;
	}
	if (!probe->accept_open && !probe->call_id)
		probe->ch = NULL;
}

void fy_probe_forget(struct fy_probe *probe)
{
	probe->ch = NULL;
	probe->accept_open = false;
	probe->call_id = 0;
}
