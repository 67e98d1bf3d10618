/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link: what this rank's channels have in common, and all that link/ knows. Only the holder of
 * the helm may touch it. link/ knows nothing of large messages, lanes or handlers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "future/waiters.h"
#include "link/batch.h"
#include "link/call.h"
#include "link/counted.h"
#include "link/credit.h"
#include "link/errors.h"
#include "link/probe.h"
#include "link/stream_in.h"
#include "port/port.h"
#include "shared/tasks.h"
#include "wire/record.h"

struct fy_channel;
struct fy_trace;

/* Counts for agreements, by colour, and the present colours. */
struct fy_counts {
	/* user records that were put here, and those that came to their end here */
	uint64_t issued[2], done[2];
	unsigned colour;       /* of what this rank's threads post; changes when it joins a fence */
	unsigned batch_colour; /* of records without a tag in the batch that is dispatched */
	uint64_t awaited[2]; /* posts with a future or a counter that left and are not confirmed */
};

/* For those who look at the engine from outside. */
struct fy_noted {
	struct fy_probe probe;
	struct fy_errors errors;
};

struct fy_link {
	ferry *engine;
	fy_port *port;
	const ferry_options *options;
	int64_t now;                  /* ns; taken once a step */
	struct fy_trace *trace;       /* or NULL */
	bool user_code;               /* the holder may run inline user code in this step */
	bool worked;                  /* something happened in this step */
	int64_t worked_at;            /* when something last happened in a step, ns */
	struct fy_waiters waiters;    /* threads whose futures completed in this step */
	struct fy_channel **channels; /* by rank; NULL until anything is exchanged with it */
	struct fy_channel *all;
	struct fy_channel *dirty;
	struct fy_channel *broken; /* given up; what waits for their peers has not ended yet */
	unsigned n_flying;         /* batches that MPI has */
	unsigned n_streams;        /* streams whose records wait for an acknowledgement */
	unsigned n_pending;        /* futures of posts that wait for acceptance */
	bool freed;                /* long bodies were released since posters were last woken */
	uint32_t first_seq;
	/* of these `steps` is read by the watchdog, too: relaxed, and so it is written */
	ferry_stats stats;
	struct fy_pool pool;
	struct fy_credit credit;
	struct fy_calls calls;
	struct fy_counted_all counted;
	struct fy_counts counts;
	struct fy_released released;
	struct fy_tasks tasks; /* inline work */
	struct fy_noted noted;
};

/* All of them, of which `ch` is one after the other. */
#define fy_link_each(ch, link) for (struct fy_channel *ch = (link)->all; ch; ch = (ch)->all_next)

/* The colour of a record in the batch that is dispatched. */
static inline unsigned fy_link_arrived_colour(const struct fy_link *link, const struct fy_record *r)
{
	return fy_record_tag_colour(r->stream, link->counts.batch_colour);
}
