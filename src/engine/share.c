/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How receive_memory is shared out, and the check that all ranks share it in the same way. Only the
 * thread that opens the engine calls.
 */
#include "engine/share.h"

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "base/fail.h"
#include "helm/progress.h"
#include "port/port.h"
#include "shared/engine.h"
#include "wire/header.h"

#define CREDIT_FIRST 16384u    /* bytes of credit that each pair of ranks begins with */
#define WINDOW_MAX (16u << 20) /* bytes of credit that no pair exceeds */

#define CALLS_SHARE 8 /* an eighth of receive_memory is for replies */

struct handshake {
	uint32_t magic, version, batch_bytes, first_seq, credit_first, fold_max, reply_room,
		tag_span;
};

/* Fails if the ranks were built or configured so that they would not understand each other. */
int fy_share_agree(fy_port *port, uint32_t first_seq)
{
	struct handshake mine = { FY_WIRE_MAGIC,  FY_WIRE_VERSION,
		                  FY_BATCH_BYTES, first_seq,
		                  CREDIT_FIRST,   FY_FOLD_MAX,
		                  FY_REPLY_ROOM,  (uint32_t)port->tag_max - 1 };
	struct handshake theirs = mine;
	int rank = 0, status = port->ops->agree(port, &mine, &theirs, sizeof mine, &rank);
	if (status == FERRY_OK)
		return FERRY_OK;
	if (status != FERRY_ENOTSUP)
		return fy_fail(status, "the ranks could not compare their limits: %s",
		               port->ops->error(port));
	if (mine.version != theirs.version)
		return fy_fail(FERRY_ENOTSUP,
		               "rank %d speaks version %u of the wire format, rank 0 version %u",
		               rank, mine.version, theirs.version);
	return fy_fail(
		FERRY_ENOTSUP,
		"rank %d was built with other limits than rank 0: use the same build on all ranks",
		rank);
}

struct common {
	uint64_t job;
	uint64_t checksum;
};

/* Fails on the ranks whose option is not that of rank 0. They tell the others. A rank whose open
 * has failed already takes part as well. The ranks differ in what they propose for port->job, and
 * learn what rank 0 proposes. */
int fy_share_agree_checksum(fy_port *port, bool mine)
{
	struct common here = { port->job, mine }, there = here;
	int rank, status = port->ops->agree(port, &here, &there, sizeof here, &rank);
	if (status && status != FERRY_ENOTSUP)
		return fy_fail(status, "the ranks could not compare their options: %s",
		               port->ops->error(port));
	port->job = there.job;
	if (here.checksum == there.checksum)
		return FERRY_OK;
	return fy_fail(FERRY_EINVAL,
	               "checksum is %s here and %s on rank 0: give it to all ranks, or to none",
	               here.checksum ? "on" : "off", there.checksum ? "on" : "off");
}

void fy_share_memory(struct fy_progress *p, const ferry_options *o)
{
	uint64_t half = o->receive_memory / 2;
	uint64_t first = (uint64_t)CREDIT_FIRST * (uint64_t)p->link.engine->size;
	p->link.credit.first = CREDIT_FIRST;
	p->link.credit.pool = half > first ? half - first : 0;
	p->link.credit.window_max = half / 4 < WINDOW_MAX ? half / 4 : WINDOW_MAX;
	p->bulk.budget.cap[0] = o->receive_memory / 8 * 3;
	p->bulk.budget.cap[1] = o->receive_memory / CALLS_SHARE;
	p->link.calls.max = (uint32_t)(o->receive_memory / CALLS_SHARE / FY_REPLY_ROOM);
}
