/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of handlers, by op. Only the holder of the helm may call. A handler itself is in
 * shared/handler.h.
 */
#include "helm/handlers.h"

#include <stdint.h>

#include "base/order.h"
#include "helm/progress.h"
#include "shared/handler.h"

struct fy_handler **fy_handlers_place(struct fy_progress *p, uint32_t op)
{
	if (op < FY_OPS_DIRECT)
		return &p->handlers.direct[op];
	struct fy_handler **at = &p->handlers.hashed[(op * 2654435761u) >> 26];
	while (*at && (*at)->op != op)
		at = &(*at)->next;
	return at;
}

struct fy_handler *fy_handlers_find(const struct fy_progress *p, uint32_t op)
{
	return *fy_handlers_place((struct fy_progress *)(uintptr_t)p, op);
}

void fy_handlers_free_list(struct fy_handler **at)
{
	while (*at) {
		struct fy_handler *h = *at;
		*at = h->next;
		fy_store_release_32(&h->closed, 1);
		fy_handler_release(h);
	}
}
