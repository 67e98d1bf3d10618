/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a receiver does with a message, for Ferry's handlers and for the peers
 * alike: it adds the first and the last byte to a sum. The sum is checked
 * afterwards, so that no figure counts bytes which did not arrive, and no
 * compiler can leave the reading out.
 *
 * One thread at a time adds to a sink.
 */
#ifndef PERF_SINK_H
#define PERF_SINK_H

#include <stddef.h>
#include <stdint.h>

struct perf_sink {
	uint64_t messages;
	uint64_t sum;
};

/* The byte that fills every payload. */
#define PERF_FILL 0x2a

static inline void perf_sink_read(struct perf_sink *sink, const void *data, size_t nbytes)
{
	const unsigned char *bytes = data;

	sink->messages++;
	if (nbytes)
		sink->sum += (uint64_t)bytes[0] + bytes[nbytes - 1];
}

/* End the job unless `messages` of this size arrived with the right bytes. */
void perf_sink_check(const struct perf_sink *sink, uint64_t messages, size_t nbytes,
                     const char *who);

/* A payload of its own, filled; end it with free(). */
void *perf_payload(size_t nbytes);

#endif /* PERF_SINK_H */
