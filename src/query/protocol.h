/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program and the socket of an engine say to each other: records of a SOCK_SEQPACKET socket,
 * numbers in the order of the machine. The program sends one request. The engine's process sends
 * answers, then END or NO, and closes. Bytes alone: both sides check what they read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FY_QUERY_MAGIC 0x3F595246u /* "FRY?" */
#define FY_QUERY_VERSION 1u
#define FY_QUERY_RANKS_MAX 65536 /* of a job that can be asked as a whole */
#define FY_QUERY_RECORD 8704u    /* bytes of the longest record */
#define FY_QUERY_TIME_MAX 60000u /* ms */

enum fy_query_what {
	FY_QUERY_ENGINE = 1, /* how is this engine? */
	FY_QUERY_JOB         /* how are the ranks of the set that follows? */
};

struct fy_query_request {
	uint32_t magic;
	uint16_t version;
	uint16_t what;
	uint32_t time;     /* ms: what has not come by then does not come */
	uint32_t patience; /* ms: after so long without an answer a rank is silent */
	int32_t size;      /* of the job; FY_QUERY_JOB: so many bits are in the set */
	uint32_t zero;
};

enum fy_query_kind {
	FY_QUERY_ANSWER = 1, /* a struct fy_answer follows, or nothing: the rank is there */
	FY_QUERY_END,        /* that was all */
	FY_QUERY_NO          /* the question cannot be answered: a sentence follows */
};

struct fy_query_reply {
	uint32_t magic;
	uint16_t version;
	uint16_t kind;
	int32_t about, from; /* ranks */
	uint32_t nbytes;     /* that follow */
	uint32_t zero;
};

_Static_assert(sizeof(struct fy_query_request) == 24 && sizeof(struct fy_query_reply) == 24,
               "they have no holes");

/* Is this a request, with all that belongs to it? NULL: it is. Else what is wrong with it. The set
 * begins behind the struct. */
const char *fy_protocol_refuse(const void *record, size_t nbytes);
/* Is this a reply, about a rank of `size`? *text_p: what follows, reply->nbytes of it. */
bool fy_protocol_read_reply(const void *record, size_t nbytes, int size,
                            struct fy_query_reply *reply, const char **rest_p);
