/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which records of a batch are in the timeline. Both ends decide it for themselves, by what they
 * both know, so nothing of it is on the wire. Only the holder of the helm.
 *
 * Of posts it is each `every`-th record of a batch, counted from one that the batch's number gives.
 * A call is in it by its id, which its reply has as well. Large messages are few: each post that is
 * one is in it, and how each of them travels.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fy_record;
struct fy_trace;

/* All of the batch with this header is about to leave. `opened`: when it got its first record. */
void fy_trace_records_leaves(struct fy_trace *t, int rank, const char *bytes, uint32_t nbytes,
                             int64_t opened);
/* Its records are about to be taken. */
void fy_trace_records_came(struct fy_trace *t, int rank, const char *bytes);
/* Where the next record begins that is in the timeline; `nbytes` if there is none from `at` on,
 * where the record with that index is. */
uint32_t fy_trace_records_next(const struct fy_trace *t, uint32_t seq, uint32_t index,
                               const char *bytes, uint32_t at, uint32_t nbytes);

/* Around the taking of such a record. */
void fy_trace_records_record_begin(struct fy_trace *t, uint32_t seq, uint32_t index,
                                   const struct fy_record *r);
/* `taken`: it was, and has not to be taken again. */
void fy_trace_records_record_end(struct fy_trace *t, int rank, const struct fy_record *r,
                                 bool taken);

/* A large message: all of it has left, or is here. */
struct fy_trace_large {
	int peer;
	uint64_t xid, nbytes;
	uint32_t op;
	bool failed; /* it left: not all of it */
	bool reply;
	/* it is here: */
	uint64_t place;   /* of its record, or 0 */
	uint64_t call_id; /* or 0 */
};
void fy_trace_records_large_departed(struct fy_trace *t, const struct fy_trace_large *large);
void fy_trace_records_large_landed(struct fy_trace *t, const struct fy_trace_large *large);
