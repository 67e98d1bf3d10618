/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "perf.h"
#include "sink.h"

void perf_sink_check(const struct perf_sink *sink, uint64_t messages, size_t nbytes,
                     const char *who)
{
	uint64_t sum = nbytes ? messages * 2 * PERF_FILL : 0;

	if (sink->messages != messages)
		perf_fatal("%s: %" PRIu64 " messages were handled, %" PRIu64 " were sent", who,
		           sink->messages, messages);
	if (sink->sum != sum)
		perf_fatal("%s: the bytes that arrived are not those that were sent", who);
}

void *perf_payload(size_t nbytes)
{
	void *payload = perf_allocate(nbytes);

	memset(payload, PERF_FILL, nbytes);
	return payload;
}
