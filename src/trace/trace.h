/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timeline of an engine: events that go into the rings of a mapped file (format.h). The holder
 * of the helm has a ring of its own; other threads share one. Who holds the helm may be another
 * thread each time: taking the helm orders their writes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/file.h"
#include "trace/format.h"

struct fy_port;

struct fy_trace {
	/* constant: */
	struct fy_trace_head *file;
	struct fy_trace_event *main_ring, *aside_ring;
	size_t nbytes;
	uint64_t serial; /* of this struct, never used again */
	uint32_t every;
	int64_t (*now)(struct fy_port *port); /* the engine's clock; any thread */
	struct fy_port *port;
	/* the helm's: */
	uint64_t head;    /* events of its ring */
	uint64_t slot;    /* where the next one goes */
	uint64_t seen;    /* `head` when the last step ended */
	uint64_t current; /* the place of the record that is taken just now; 0: it is not here */
	bool ran;         /* that record's handler has begun */
	/* when the handler of the record before returned, if nothing happened since; else 0 */
	int64_t ended;
};

/* A record's place, the same at both ends: the number of its batch, and which one it is there, from
 * 1 on. So no place is 0. */
static inline uint64_t fy_trace_place_of(uint32_t seq, uint32_t index)
{
	return (uint64_t)seq << 32 | (index + 1);
}

/* NULL: `why` is a sentence. `now` is asked as long as the trace is there, and the
 * port for which it is asked may be gone by then: it must not look at it. */
struct fy_trace *fy_trace_open(const struct fy_trace_place *place,
                               int64_t (*now)(struct fy_port *port), struct fy_port *port,
                               char why[FY_TRACE_WHY]);
/* The engine has come to its end. Threads of executors may still write. NULL is fine. */
void fy_trace_end(struct fy_trace *t);
/* Nobody writes any more. NULL is fine. */
void fy_trace_free(struct fy_trace *t);

static inline int64_t fy_trace_now(const struct fy_trace *t)
{
	return t->now(t->port);
}

/* What an event says beside its time and its writer. */
struct fy_trace_says {
	uint8_t kind, flags;
	int peer;
	uint32_t op;
	uint64_t id, extra, nbytes;
};
/* Write an event. Only the holder of the helm. `lane`: of POST and CALL. */
void fy_trace_put(struct fy_trace *t, int64_t time, const struct fy_trace_says *says);
void fy_trace_put_of_lane(struct fy_trace *t, int64_t time, uint32_t lane,
                          const struct fy_trace_says *says);
/* The same on any thread. */
void fy_trace_put_aside(struct fy_trace *t, int64_t time, const struct fy_trace_says *says);

/* This thread posts through that lane. */
void fy_trace_lane(struct fy_trace *t, uint32_t lane);

/* The step that began at `begun` is over. Only the holder of the helm, as the next one. */
void fy_trace_step(struct fy_trace *t, int64_t begun, bool worked);
/* This thread, which waits, had the helm since `begun`, when `head` was that of the trace, and
 * began its last step at `last`. */
void fy_trace_lent(struct fy_trace *t, int64_t begun, int64_t last, uint64_t head);
/* Slept from `begun` to `ended`. The helm was not held meanwhile, and is now, or never was
 * (aside). */
void fy_trace_slept(struct fy_trace *t, int64_t begun, int64_t ended);
void fy_trace_slept_aside(struct fy_trace *t, int64_t begun, int64_t ended);
