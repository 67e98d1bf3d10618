/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Callers: what the layer knows of each thread that calls MPI, and which way a call takes.
 *
 * Until a second thread calls MPI there is nothing to order, and calls go straight to MPI. From
 * then on they go by the helm (helm.h). A call that MPI makes possible inside of another one, from
 * a function of the program such as an error handler, is made by the holder of the helm itself and
 * goes straight through as well.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/order.h"

struct fy_preload_lane;

enum fy_way {
	FY_WAY_OFF,      /* the layer does nothing: MPI's own function is called as it is */
	FY_WAY_STRAIGHT, /* MPI's functions, but none that blocks */
	FY_WAY_INSIDE,   /* likewise: this thread has the helm */
	FY_WAY_HELM
};

/* Ways that are known by one look (fy_caller_all.pass). */
#define FY_PASS_OFF 1u      /* FY_WAY_OFF, for all threads */
#define FY_PASS_STRAIGHT 2u /* FY_WAY_STRAIGHT, for the thread that initialized MPI */

struct fy_caller {
	uint32_t passes;              /* which FY_PASS_* are for this thread */
	bool inside;                  /* this thread has the helm */
	struct fy_preload_lane *lane; /* NULL: it has posted nothing yet */
	uint32_t slots, n_slots;      /* free slots: a chain by index, and its length */
	uint64_t straight;            /* calls that went straight, for the report */
	const char *call;             /* the function of MPI that it is in, or was last */
};

struct fy_caller_all {
	/* 1 between MPI_Init and MPI_Finalize, unless the layer is off. Written by the threads that
	 * call these two (release), read by all (acquire) */
	uint32_t on;
	/* FY_PASS_OFF while the layer is off; FY_PASS_STRAIGHT until a second thread calls MPI;
	 * else 0, as before MPI_Init. Written by the threads that initialize and end MPI, and by
	 * the thread that sees the second one first (release), read by all (relaxed: who reads an
	 * old FY_PASS_STRAIGHT makes one more call straight, beside the new thread, which MPI
	 * allows; who may call MPI knows of MPI_Init, before which the functions were found) */
	uint32_t pass;
	/* 1 once MPI may call functions of the program while requests are tested (error handlers,
	 * those of generalized requests): then nobody tests requests for another thread, because
	 * they would run in the wrong one. Written by any thread (release), read by holders of the
	 * helm (acquire) */
	uint32_t alone;
	/* MPI allows one thread at a time: all calls go by the helm. Constant once `on` */
	bool serialized;
};

extern FY_THREAD_LOCAL struct fy_caller fy_caller_here;
extern struct fy_caller_all fy_caller_all;

enum fy_way fy_caller_way_slow(const char *call);

/* Is the call one that MPI's function gets as it is, unless it blocks? */
static inline bool fy_caller_passes(void)
{
	struct fy_caller *here = &fy_caller_here;
	uint32_t pass = fy_load_relaxed_32(&fy_caller_all.pass) & here->passes;
	here->straight += pass / FY_PASS_STRAIGHT;
	return fy_likely(pass);
}

/* Is this thread the only one that calls MPI? */
static inline bool fy_caller_is_straight(void)
{
	return fy_load_relaxed_32(&fy_caller_all.pass) & fy_caller_here.passes & FY_PASS_STRAIGHT;
}

/* Which way a call of this thread takes. NULL: it is within the last one. */
static inline enum fy_way fy_caller_way_of(const char *call)
{
	struct fy_caller *here = &fy_caller_here;
	uint32_t pass = fy_load_relaxed_32(&fy_caller_all.pass) & here->passes;
	if (fy_likely(pass)) {
		here->straight += call != NULL && pass == FY_PASS_STRAIGHT;
		return pass == FY_PASS_OFF ? FY_WAY_OFF : FY_WAY_STRAIGHT;
	}
	return fy_caller_way_slow(call);
}
#define fy_caller_way() fy_caller_way_of(__func__)

/* Does a call that cannot block go to MPI as it is? Then there is no handle of ours. */
static inline bool fy_caller_is_alone_of(const char *call)
{
	return fy_caller_passes() || fy_caller_way_slow(call) == FY_WAY_OFF;
}
#define fy_caller_is_alone() fy_caller_is_alone_of(__func__)

/* The calling thread has initialized MPI, and the layer is on from here. `serialized` is set. Also
 * to begin anew: this thread is the only one that is in MPI, and has no request open. */
void fy_caller_begin(void);
/* MPI ends, or the layer is off: later calls pass by. The functions of MPI are found. */
void fy_caller_end(void);
/* The lane of this thread. NULL: no memory. */
struct fy_preload_lane *fy_caller_lane(void);
