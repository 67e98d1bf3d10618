/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch on the wire: its header, its flags, its bounds. doc/wire-format.md explains them. Only
 * the layout of bytes: any file that sends or receives may include it.
 */
#pragma once

#include <stdint.h>

#define FY_WIRE_MAGIC 0x31595246u /* "FRY1" */
#define FY_WIRE_VERSION 5
#define FY_BATCH_BYTES 8192u /* header and records; the common transports send so much eagerly */
#define FY_FOLD_MAX 4096u    /* a message up to this size travels inside a batch */
/* bytes of credit that a batch costs beside its records: what an unexpected message costs MPI */
#define FY_BATCH_CHARGE 1024u
/* bytes that a call reserves for its reply at the caller; a larger reply waits for a grant */
#define FY_REPLY_ROOM 2048u

struct fy_batch_header {
	uint32_t magic;
	uint16_t version;
	uint16_t flags;
	uint32_t seq; /* of this pair of ranks, in this direction, from first_seq on */
	uint32_t nrecords;
	uint32_t accepted; /* number of the last batch of the other direction that is dispatched */
	uint32_t checksum; /* CRC-32C, with the option of this name (wire/checksum.h) */
	uint64_t limit;    /* credit: the total that the receiver of this header may spend */
	uint64_t spent;    /* credit: the total that its sender has spent */
};
_Static_assert(sizeof(struct fy_batch_header) == 40, "the wire format says 40 bytes");

static inline struct fy_batch_header *fy_header_of(const char *batch)
{
	return (struct fy_batch_header *)(uintptr_t)batch;
}

#define FY_BATCH_WANTS_ACK 0x1u /* a future waits for the acceptance of this batch */
#define FY_BATCH_HUNGRY 0x2u    /* the sender ran out of credit */
#define FY_BATCH_GOODBYE 0x4u   /* the last batch of this pair */
/* the sender has given this peer up; such a batch has no number and no records */
#define FY_BATCH_GAVE_UP 0x8u
#define FY_BATCH_COLOUR 0x10u /* its records without a tag are of colour 1 */
/* a word (crew_word.h) instead of records; such a batch has no number */
#define FY_BATCH_WORD 0x20u
#define FY_BATCH_UNNUMBERED (FY_BATCH_GAVE_UP | FY_BATCH_WORD)
