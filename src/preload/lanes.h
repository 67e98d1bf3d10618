/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lanes: what threads posted while another one had the helm. Each thread has a lane of its own, a
 * ring of records; the holder of the helm takes the records of all lanes out and starts them.
 *
 * Order. A program may rely on it that a message which one thread sends, and then tells another one
 * by ordinary memory, is before what that one sends. So each record has a ticket, taken by one
 * fetch-and-add before the record is published. The holder of the helm reads the next ticket first,
 * then all tails, and starts what has a lower ticket than that, the lowest first. Why that
 * suffices: what a record knows of was published before the record's ticket was taken, so before
 * the holder read the next ticket, so the holder sees it, and its ticket is lower. A ticket that
 * nobody has published when the tails are read is not waited for: what knows of it has a ticket
 * that is not lower than the next one. tests/models/preload_lanes.pml has this as a model.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/inbox.h"
#include "base/order.h"
#include "preload/start.h"
#include "preload/next.h"

struct fy_preload_slot;

#define FY_PRELOAD_POSTS 512u

struct fy_preload_post {
	uint64_t ticket;
	struct fy_preload_slot *slot;
	struct fy_preload_start start;
};

struct fy_preload_lane {
	/* written by the lane's thread (swap), read by the holder of the helm (acquire) */
	FY_ALIGNED uint64_t tail;
	uint64_t head_seen; /* the thread's: what it last loaded of `head` */
	/* 1: the thread has ended. Written by it (release), read by the holder (acquire) */
	uint32_t left;
	/* written by the holder of the helm (release), when MPI has the record; read by the lane's
	 * thread (acquire) */
	FY_ALIGNED uint64_t head;
	uint64_t seen;                /* the holder's: the tail, as it was read last */
	struct fy_preload_lane *next; /* the holder's */
	fy_inbox_entry entry;         /* its place among the new ones */
	struct fy_preload_post posts[FY_PRELOAD_POSTS];
};

/* A lane for the calling thread. NULL: no memory. */
struct fy_preload_lane *fy_preload_lanes_new(void);
/* Its thread ends. */
void fy_preload_lanes_leave(struct fy_preload_lane *lane);
/* The lane's thread: queue a record. A full fence, when it is done. False: the lane is full. */
bool fy_preload_lanes_post(struct fy_preload_lane *lane, const struct fy_preload_start *start,
                           struct fy_preload_slot *slot);
/* Any thread, after a fence: is there anything that MPI does not have, or that is about to be
 * published? */
bool fy_preload_lanes_any(void);
/* The holder of the helm: start all that was in a lane when this was called. False: there was
 * nothing. */
bool fy_preload_lanes_drain(void);
/* The holder of the helm: how many it has started from lanes. */
uint64_t fy_preload_lanes_started(void);
