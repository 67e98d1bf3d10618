/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receives that are posted, and their buffers. Called by the holder of the helm alone.
 */
#include "helm/receives.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/log.h"
#include "base/order.h"
#include "bulk/memory.h"
#include "helm/handlers.h"
#include "helm/progress.h"
#include "port/port.h"
#include "shared/engine.h"
#include "shared/message.h"
#include "wire/header.h"

void fy_receives_post(struct fy_progress *p, struct fy_slot *slot)
{
	slot->next = NULL;
	slot->begun = slot->bad = false;
	if (p->port->ops->recv(p->port, FY_PORT_ANY, FY_TAG_BATCH, slot->buffer, FY_BATCH_BYTES,
	                       &slot->request) != 0) {
		fy_log(p->engine->log, "a receive could not be posted: %s",
		       p->port->ops->error(p->port));
		slot->next = p->unposted; /* the others go on */
		p->unposted = slot;
		return;
	}
	*(p->slots_last ? &p->slots_last->next : &p->slots) = slot;
	p->slots_last = slot;
	p->n_posted++;
}

static bool slot_create(struct fy_slot *slot)
{
	slot->buffer = aligned_alloc(FY_CACHE_LINE, FY_BATCH_BYTES);
	return slot->buffer != NULL;
}

int fy_receives_open(struct fy_progress *p)
{
	unsigned wanted = 8u * (unsigned)p->engine->size;
	/* They are filled in turn: more of them stay in no cache. */
	p->n_slots = wanted < 16 ? 16 : wanted > 32 ? 32 : wanted;
	p->slot_all = calloc(p->n_slots, sizeof *p->slot_all);
	p->view = calloc(1, sizeof *p->view);
	p->reserve = malloc(FY_BATCH_BYTES);
	if (!p->slot_all || !p->view || !p->reserve)
		return FERRY_ENOMEM;
	for (unsigned i = 0; i < p->n_slots; i++)
		if (!slot_create(&p->slot_all[i]))
			return FERRY_ENOMEM;
	return FERRY_OK;
}

void fy_receives_post_again(struct fy_progress *p)
{
	struct fy_slot *slot = p->unposted;
	p->unposted = NULL;
	while (slot) {
		struct fy_slot *next = slot->next;
		fy_receives_post(p, slot);
		slot = next;
	}
}

void fy_receives_begin(struct fy_progress *p)
{
	for (unsigned i = 0; i < p->n_slots; i++)
		fy_receives_post(p, &p->slot_all[i]);
}

/* Most receives are held back by batches that came early or are paused: post another. */
void fy_receives_post_more(struct fy_progress *p)
{
	struct fy_slot *slot = calloc(1, sizeof *slot);
	if (!slot)
		return;
	if (!slot_create(slot)) {
		free(slot);
		return;
	}
	fy_receives_post(p, slot);
	struct fy_slot **list = &p->extra_slots;
	slot->extra_next = *list;
	*list = slot;
}

/* Every posted receive is cancelled; the loop goes on until none is left. */
void fy_receives_cancel(struct fy_progress *p)
{
	for (struct fy_slot *slot = p->slots; slot; slot = slot->next)
		p->port->ops->cancel(p->port, &slot->request);
}

void fy_receives_free(struct fy_progress *p)
{
	for (unsigned i = 0; i < FY_OPS_DIRECT; i++)
		fy_handlers_free_list(&p->direct[i]);
	for (unsigned i = 0; i < FY_OPS_HASHED; i++)
		fy_handlers_free_list(&p->hashed[i]);
	while (p->memory_handlers)
		fy_memory_set(p, p->memory_handlers->op, NULL, NULL);
	for (unsigned i = 0; p->clean && p->slot_all && i < p->n_slots; i++)
		free(p->slot_all[i].buffer);
	while (p->clean && p->extra_slots) {
		struct fy_slot *slot = p->extra_slots;
		p->extra_slots = slot->extra_next;
		free(slot->buffer);
		free(slot);
	}
	if (p->clean) /* otherwise MPI may still write there */
		free(p->slot_all);
	free(p->view);
	free(p->reserve);
}
