/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link: what this rank's channels have in common. The port, the time of the step, what is
 * dirty, what flies, counts, statistics. Called by the holder of the helm alone. Knows nothing of
 * large messages, lanes or handlers.
 */
#ifndef FY_LINK_LINK_H
#define FY_LINK_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "future/waiters.h"
#include "link/batch.h"
#include "link/call.h"
#include "link/credit.h"
#include "link/stream_in.h"
#include "port/port.h"
#include "shared/tasks.h"
#include "wire/record.h"

struct fy_channel;

/* Counts for agreements, by colour, and the colours of now. */
struct fy_counts {
	/* counts for agreements, by colour: user records put, and user records that came to their
	 * end here */
	uint64_t issued[2], done[2];
	unsigned colour; /* of what this rank's threads post now: changes when it joins a fence */
	unsigned batch_colour; /* of records without a tag in the batch that is dispatched */
	uint64_t awaited[2];   /* futures of posts that left and are not confirmed, by colour */
};

/* What the channels have in common: port, time, what is dirty and what flies, counts,
 * statistics; all that link/ knows. */
struct fy_link {
	ferry *engine;
	fy_port *port;
	const ferry_options *options;
	int64_t now;       /* taken once a step */
	bool user_code;    /* the holder may run inline user code in this step */
	bool worked;       /* something happened in this step */
	int64_t worked_at; /* the last step in which something did */
	struct fy_waiters
		waiters; /* futures that completed in this step and that somebody waits for */
	struct fy_channel **channels; /* by rank, NULL until talked to */
	struct fy_channel *all;
	struct fy_channel *dirty;
	struct fy_channel *broken; /* gone, and what waits for them has not ended yet */
	unsigned n_flying;         /* batches that MPI has */
	unsigned n_streams;        /* streams whose records wait for an acknowledgement */
	unsigned n_pending;        /* futures of posts that wait for acceptance */
	/* bytes of long bodies that were released since posters were told, and by the last step */
	uint64_t freed;
	uint32_t first_seq;
	ferry_stats stats;
	struct fy_pool pool;
	struct fy_credit credit;
	struct fy_calls calls;
	struct fy_counts counts;
	struct fy_released released;
	struct fy_tasks tasks; /* inline work */
};

/* The colour of a record in the batch that is dispatched. */
static inline unsigned fy_link_arrived_colour(const struct fy_link *link, const struct fy_record *r)
{
	return fy_record_tag_colour(r->stream, link->counts.batch_colour);
}

#endif
