/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots: what a handle of the layer stands for. A program gets one for an operation that waits in a
 * lane, because there is no request of MPI yet.
 *
 * The handle is a value that MPI's own requests never have. With MPICH it is MPI_REQUEST_NULL with
 * an index in the lower 26 bits: live handles have other upper bits, and functions of MPI refuse
 * this one. With Open MPI, whose handles are addresses, it is the address of the slot.
 *
 * All slots are in one region of address space, so that a handle is known by its value alone. A
 * slot is one cache line. The thread that posts takes it and fills it in, the holder of the helm
 * starts the operation and tests it, and the thread that waits for it gives it back. Each hands it
 * to the next one through a lane, or through the helm.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/order.h"
#include "preload/next.h"

enum fy_preload_slot_state {
	FY_SLOT_FREE,
	FY_SLOT_QUEUED,  /* its record is in a lane */
	FY_SLOT_STARTED, /* `native` is MPI's request */
	FY_SLOT_OVER     /* it has ended: `status` and `code` say how */
};

struct fy_preload_slot {
	FY_ALIGNED MPI_Request native;
	MPI_Status status;
	int code;
	MPI_Comm comm;  /* whose error handler gets `code`, if `silent` */
	uint32_t next;  /* while it is free */
	uint32_t place; /* the holder's, of an array of requests (requests.c) */
	uint8_t state;
	bool silent; /* nobody was told of `code` yet */
};

_Static_assert(sizeof(struct fy_preload_slot) == FY_CACHE_LINE,
               "neighbours do not disturb each other");

struct fy_preload_slot_region {
	struct fy_preload_slot *all; /* the region; index 0 is not used */
	size_t n;                    /* how many it has */
};

/* Constant once the layer is on. */
extern struct fy_preload_slot_region fy_preload_slot_region;

/* Reserve the region. False: there is no address space for it. */
bool fy_preload_slot_reserve(void);
/* A slot of state FY_SLOT_QUEUED. NULL: there is none. */
struct fy_preload_slot *fy_preload_slot_take(void);
void fy_preload_slot_give(struct fy_preload_slot *slot);
/* This thread ends: others may have its free slots. */
void fy_preload_slot_return_all(void);

#ifdef MPICH
#define FY_SLOT_BITS 26
#define FY_SLOT_MASK ((1u << FY_SLOT_BITS) - 1)
static inline bool fy_preload_slot_is_ours(MPI_Request request)
{
	unsigned value = (unsigned)request;
	return (value & ~FY_SLOT_MASK) == (unsigned)MPI_REQUEST_NULL && (value & FY_SLOT_MASK);
}
static inline struct fy_preload_slot *fy_preload_slot_of(MPI_Request request)
{
	return &fy_preload_slot_region.all[(unsigned)request & FY_SLOT_MASK];
}
static inline MPI_Request fy_preload_slot_handle(const struct fy_preload_slot *slot)
{
	return (MPI_Request)((unsigned)MPI_REQUEST_NULL |
	                     (unsigned)(slot - fy_preload_slot_region.all));
}
#else
#define FY_SLOT_BITS 24
static inline bool fy_preload_slot_is_ours(MPI_Request request)
{
	uintptr_t at = (uintptr_t)request - (uintptr_t)fy_preload_slot_region.all;
	return at < fy_preload_slot_region.n * sizeof(struct fy_preload_slot);
}
static inline struct fy_preload_slot *fy_preload_slot_of(MPI_Request request)
{
	return (struct fy_preload_slot *)(void *)request;
}
static inline MPI_Request fy_preload_slot_handle(struct fy_preload_slot *slot)
{
	return (MPI_Request)(void *)slot;
}
#endif
