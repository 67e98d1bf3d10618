/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The posted receives, and their buffers. Only the holder of the helm may call.
 */
#include "helm/receives.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/list.h"
#include "base/log.h"
#include "base/order.h"
#include "bulk/memory.h"
#include "helm/handlers.h"
#include "helm/policy.h"
#include "helm/progress.h"
#include "port/port.h"
#include "shared/engine.h"
#include "shared/message.h"
#include "wire/header.h"

void fy_receives_post(struct fy_progress *p, struct fy_slot *slot)
{
	slot->next = NULL;
	slot->begun = slot->bad = false;
	if (p->link.port->ops->recv(p->link.port, FY_PORT_ANY, FY_TAG_BATCH, slot->buffer,
	                            FY_BATCH_BYTES, &slot->request) != 0) {
		fy_log_often(p->link.engine->log, FERRY_LOG_WARNING, FY_OFTEN_NO_RECEIVE,
		             "a receive could not be posted, and is tried again: %s",
		             p->link.port->ops->error(p->link.port));
		slot->next = p->receives.unposted; /* tried again; the other receives go on */
		p->receives.unposted = slot;
		return;
	}
	fy_list_append(p->receives.first, p->receives.last, slot);
	p->receives.n_posted++;
}

void fy_receives_post_later(struct fy_progress *p, struct fy_slot *slot)
{
	slot->next = NULL;
	fy_list_append(p->receives.later, p->receives.later_last, slot);
}

void fy_receives_post_those(struct fy_progress *p)
{
	struct fy_slot *slot;
	while ((slot = p->receives.later)) {
		fy_list_drop(p->receives.later, p->receives.later_last);
		fy_receives_post(p, slot);
	}
}

static bool slot_create(struct fy_slot *slot)
{
	slot->buffer = aligned_alloc(FY_CACHE_LINE, FY_BATCH_BYTES);
	return slot->buffer != NULL;
}

int fy_receives_open(struct fy_progress *p)
{
	p->receives.n = fy_policy_receives(p->policy, (unsigned)p->link.engine->size);
	p->receives.low = p->receives.n * (unsigned)p->policy->look.receives_low / 100;
	p->receives.array = calloc(p->receives.n, sizeof *p->receives.array);
	p->inside.view = calloc(1, sizeof *p->inside.view);
	p->inside.reserve = malloc(FY_BATCH_BYTES);
	if (!p->receives.array || !p->inside.view || !p->inside.reserve)
		return FERRY_ENOMEM;
	for (unsigned i = 0; i < p->receives.n; i++)
		if (!slot_create(&p->receives.array[i]))
			return FERRY_ENOMEM;
	return FERRY_OK;
}

void fy_receives_post_again(struct fy_progress *p)
{
	struct fy_slot *slot = p->receives.unposted;
	p->receives.unposted = NULL;
	while (slot) {
		struct fy_slot *next = slot->next;
		fy_receives_post(p, slot);
		slot = next;
	}
}

void fy_receives_begin(struct fy_progress *p)
{
	for (unsigned i = 0; i < p->receives.n; i++)
		fy_receives_post(p, &p->receives.array[i]);
}

/* Most buffers are in use by early or paused batches: post another receive. */
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
	struct fy_slot **list = &p->receives.extra;
	slot->extra_next = *list;
	*list = slot;
}

/* Cancel all posted receives. The loop goes on until none is left. */
void fy_receives_cancel(struct fy_progress *p)
{
	for (struct fy_slot *slot = p->receives.first; slot; slot = slot->next)
		p->link.port->ops->cancel(p->link.port, &slot->request);
}

void fy_receives_free(struct fy_progress *p)
{
	for (unsigned i = 0; i < FY_OPS_DIRECT; i++)
		fy_handlers_free_list(&p->handlers.direct[i]);
	for (unsigned i = 0; i < FY_OPS_HASHED; i++)
		fy_handlers_free_list(&p->handlers.hashed[i]);
	while (p->bulk.memory_handlers)
		fy_memory_set(&p->bulk, p->bulk.memory_handlers->op, NULL, NULL);
	for (unsigned i = 0; p->close.clean && p->receives.array && i < p->receives.n; i++)
		free(p->receives.array[i].buffer);
	while (p->close.clean && p->receives.extra) {
		struct fy_slot *slot = p->receives.extra;
		p->receives.extra = slot->extra_next;
		free(slot->buffer);
		free(slot);
	}
	if (p->close.clean) /* else MPI may still write there */
		free(p->receives.array);
	free(p->inside.view);
	free(p->inside.reserve);
}
