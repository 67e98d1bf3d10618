/* SPDX-License-Identifier: Apache-2.0 */
#include "query/protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bits.h"

static size_t set_bytes(const struct fy_query_request *q)
{
	return q->what == FY_QUERY_JOB ? fy_bits_words(q->size) * sizeof(uint64_t) : 0;
}

static bool is_set_clean(const void *record, int size)
{
	uint64_t last;
	memcpy(&last,
	       (const char *)record + sizeof(struct fy_query_request) +
	               (fy_bits_words(size) - 1) * sizeof last,
	       sizeof last);
	return size % 64 == 0 || last >> (size % 64) == 0;
}

const char *fy_protocol_refuse(const void *record, size_t nbytes)
{
	struct fy_query_request q;
	if (nbytes < sizeof q)
		return "the request is too short";
	memcpy(&q, record, sizeof q);
	if (q.magic != FY_QUERY_MAGIC)
		return "that is no request";
	if (q.version != FY_QUERY_VERSION)
		return "the request is of another version of the library: use the ferry-ask that "
		       "was installed with it";
	if ((q.what != FY_QUERY_ENGINE && q.what != FY_QUERY_JOB) || q.zero ||
	    q.time > FY_QUERY_TIME_MAX || q.patience > q.time)
		return "the request has a number that it cannot have";
	if (q.what == FY_QUERY_JOB && (q.size < 1 || q.size > FY_QUERY_RANKS_MAX))
		return "the request has a size that no job has";
	if (nbytes != sizeof q + set_bytes(&q))
		return "the request has another length than it should";
	if (q.what == FY_QUERY_JOB && !is_set_clean(record, q.size))
		return "the request names a rank that there is not";
	return NULL;
}

bool fy_protocol_read_reply(const void *record, size_t nbytes, int size,
                            struct fy_query_reply *reply, const char **rest_p)
{
	if (nbytes < sizeof *reply)
		return false;
	memcpy(reply, record, sizeof *reply);
	*rest_p = (const char *)record + sizeof *reply;
	return reply->magic == FY_QUERY_MAGIC && reply->version == FY_QUERY_VERSION &&
	       reply->kind >= FY_QUERY_ANSWER && reply->kind <= FY_QUERY_NO && !reply->zero &&
	       nbytes == sizeof *reply + reply->nbytes &&
	       (reply->kind != FY_QUERY_ANSWER || (reply->about >= 0 && reply->about < size &&
	                                           reply->from >= 0 && reply->from < size));
}
