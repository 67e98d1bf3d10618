/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a timeline shows: slices on tracks, arrows between slices, and operations that last from one
 * event to another. Of all ranks, in one clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "timeline/job.h"

enum trace_track_kind { TRACE_THREAD, TRACE_LANE, TRACE_ARRIVALS, TRACE_REPLIES, TRACE_BATCHES };

struct trace_track {
	size_t file; /* which of the job's */
	enum trace_track_kind kind;
	unsigned index; /* of the thread, or of the lane */
	char name[48];
};

/* Something that was done at a time, or for a time. On a track slices lie within one another, or
 * apart. `kind` is that of its event (format.h); a handler's is FY_TRACE_BEGIN. */
struct trace_slice {
	size_t track;
	int64_t begin, end; /* ns, in the clock of the first rank */
	uint8_t kind, flags;
	bool open; /* a handler that had not ended when the timeline ends */
	uint32_t peer, op;
	uint64_t id, extra, nbytes;
};

/* From a post or a call to its handler, or from a reply to its completion. Of slices. */
struct trace_arrow {
	size_t from, to;
};

enum trace_span_kind { TRACE_SPAN_CALL, TRACE_SPAN_SENDING, TRACE_SPAN_RECEIVING };

/* A call until its reply, a large message until it left or came. Spans of one track may cross. */
struct trace_span {
	size_t track;
	enum trace_span_kind kind;
	int64_t begin, end;
	uint32_t peer, op;
	uint64_t id, nbytes;
};

struct trace_picture {
	const struct trace_job *job;
	struct trace_track *tracks;
	size_t n_tracks, tracks_room;
	struct trace_slice
		*slices; /* by track, then by begin, what is around before what is within */
	size_t n_slices, slices_room;
	struct trace_arrow *arrows;
	size_t n_arrows, arrows_room;
	struct trace_span *spans;
	size_t n_spans, spans_room;
	int64_t begin, end;
	uint64_t crossing; /* slices that did not lie within one another: they were cut */
	uint64_t alone; /* posts, calls, replies and their other ends that are in one file only */
	uint64_t backward; /* arrows that end before they begin */
	bool no_memory;
};

/* False: no memory. */
bool trace_picture_make(struct trace_picture *picture, const struct trace_job *job);
void trace_picture_free(struct trace_picture *picture);
/* "post", "handler" and so on. */
const char *trace_picture_word(unsigned kind);
/* The name of a slice, as people see it: "call 7 to rank 1". */
void trace_picture_name(const struct trace_slice *slice, char *name, size_t room);
