/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flow: the chunks of one message on one side, which one comes next and which are under way. Only
 * the holder of the helm may call.
 */
#include "bulk/flow.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "bulk/chunk.h"
#include "bulk/bulk.h"
#include "link/link.h"

void fy_flow_start(struct fy_bulk *bulk, struct fy_flow *flow, struct fy_chunk *c, size_t nbytes)
{
	c->next = NULL;
	c->number = flow->at.number;
	c->nbytes = nbytes;
	fy_list_append(flow->flight, flow->flight_last, c);
	flow->n_flight++;
	bulk->n_chunks++;
	flow->at.offset += nbytes;
	flow->at.number++;
	flow->chunk_fails_since = 0;
}

bool fy_flow_start_failed(struct fy_bulk *bulk, struct fy_flow *flow)
{
	if (!flow->chunk_fails_since)
		flow->chunk_fails_since = bulk->link->now;
	return bulk->link->now - flow->chunk_fails_since > FY_CHUNK_RETRY_MAX;
}

/* The lowest number of a chunk that is not finished. */
uint64_t fy_flow_lowest(const struct fy_flow *flow)
{
	uint64_t low = flow->flight ? flow->flight->number : flow->at.number;
	return flow->keeps_tags && flow->kept_from < low ? flow->kept_from : low;
}

void fy_flow_keep_tag(struct fy_flow *flow, uint64_t number)
{
	if (!flow->keeps_tags || number < flow->kept_from)
		flow->kept_from = number;
	flow->keeps_tags = true;
}
