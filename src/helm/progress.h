/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the holder of the helm owns, as a whole: the link, large messages, and a part of each file
 * of this folder. Nothing here is shared: whoever holds the helm reads and writes it without
 * atomics, and taking the helm orders one holder's accesses before the next one's. Only this
 * folder and engine/ see it.
 */
#ifndef FY_HELM_PROGRESS_H
#define FY_HELM_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/wakes.h"
#include "bulk/blocks.h"
#include "helm/agree.h"
#include "helm/handlers.h"
#include "helm/report.h"
#include "port/port.h"

struct fy_batch;
struct fy_call;
struct fy_channel;
struct fy_chunk;
struct fy_command;
struct fy_handler;
struct fy_inbound;
struct fy_lane;
struct fy_memory_handler;
struct fy_slot;
struct fy_starts;
struct fy_task;
struct fy_timer;

struct fy_progress {
	ferry *engine;
	fy_port *port;
	const ferry_options *options;
	/* how long the loop spins before it yields, and yields before it sleeps */
	int64_t spin, yield;
	/* how long a thread that waits drives on though nothing happens, while chunks are
	 * under way */
	int64_t drive_busy;
	int64_t now;           /* taken once a step */
	bool user_code;        /* the holder may run inline user code in this step */
	bool worked;           /* something happened in this step */
	int64_t worked_at;     /* the last step in which something did */
	struct fy_wakes wakes; /* futures that completed in this step and that somebody waits for */
	struct fy_channel **channels; /* by rank, NULL until talked to */
	struct fy_channel *all;
	struct fy_channel *dirty;
	struct fy_channel *queued; /* channels with records in their queue */
	unsigned n_flying;         /* batches that MPI has */
	unsigned n_streams;        /* streams whose records wait for an acknowledgement */
	/* a lane kept a record in the last step because there was no room for it */
	bool drain_broke_off;
	bool flooded;       /* likewise: a lane's producer slept because there was no room in it */
	int64_t awaited_at; /* when an answer was last waited for, as far as the drain saw it */
	bool tainted; /* records were lost to malformed batches: counts do not match any more */
	unsigned n_pending; /* futures of posts that wait for acceptance */
	unsigned n_early;   /* batches that came before their turn, are paused, or homeless */
	int64_t idle_sleep; /* grows while nothing happens */
	bool napped;        /* the last sleep was short and nothing came of it */
	int64_t rung_at;    /* when a rank of this host last rang; 0: the message was found */
	size_t queued_bytes;
	/* bytes of long bodies that were released since posters were told, and by the last step */
	uint64_t freed, freed_seen;
	uint32_t first_seq;
	/* lanes */
	struct fy_lane *lanes; /* active ones */
	struct fy_lane *all_lanes;
	struct fy_lane *delisted; /* between fy_lanes_delist and fy_lanes_relist */
	/* batches */
	struct fy_batch *pool;
	unsigned n_pool;
	/* receives */
	struct fy_slot *slots, *slots_last; /* posted, oldest first */
	struct fy_slot *slot_all;           /* array */
	unsigned n_slots, n_posted;
	struct fy_slot *extra_slots;
	/* batches of ranks for whose channel there was no memory: again each step */
	struct fy_slot *homeless;
	struct fy_slot *unposted; /* MPI did not take them: again at the next step */
	unsigned n_failed;        /* of them ended with an error, so that what came may be lost */
	int64_t gaps_at;          /* then the next look for batches that are missing */
	unsigned n_telling;       /* channels whose peer is being told that it is given up */
	/* credit */
	uint64_t credit_first; /* the window that each pair starts with */
	uint64_t credit_pool;  /* what can still be lent */
	uint64_t window_max;
	/* transfers */
	uint64_t large_cap[2], large_used[2]; /* requests, replies */
	uint64_t large_stalled[2]; /* of what is used, by messages of which nothing came for long */
	uint64_t stalls;           /* how often that began */
	uint64_t large_seen;       /* engine->large_returned, as far as subtracted */
	/* for a grant, first come first served; [2]: need none */
	struct fy_inbound *waiting[3], *waiting_last[3];
	unsigned n_parked; /* announced, but not all lengths are here, in all channels */
	struct fy_inbound *landing, *landing_last; /* receives are posted; they take turns */
	size_t landing_bytes; /* in chunks that were posted and did not come yet */
	/* when the last chunk was asked for, and how long that took */
	int64_t landed_at, landing_took;
	uint64_t announcements; /* that came */
	uint64_t small_seen;    /* other records that had come by landed_at */
	unsigned n_out;         /* outbound transfers under way in all channels */
	unsigned n_chunks;      /* chunks that MPI has, of them and of those that come */
	size_t chunk_bytes;
	bool code_due; /* a message was not granted: where it lands is asked of the program */
	struct fy_chunk *chunks; /* free ones */
	char *sink;     /* where bytes go that nobody will read; NULL until there were some */
	bool sink_used; /* a receive has it */
	struct fy_blocks blocks; /* kept memory (block.c) */
	int tag_span;            /* tags of chunks: from 1 to this, the same on all ranks */
	/* handlers */
	struct fy_handler *direct[FY_OPS_DIRECT];
	struct fy_handler *hashed[FY_OPS_HASHED];
	struct fy_memory_handler *memory_handlers;
	ferry_message *view;
	char *reserve; /* what retaining a view falls back on */
	/* calls */
	struct fy_call *calls;
	uint32_t n_calls, calls_free, calls_free_last, calls_open, calls_max;
	/* inline work, in order */
	struct fy_task *tasks, *tasks_last;
	unsigned n_left; /* messages among them that a thread which may not run handlers left */
	ferry_message *replies, *replies_last; /* that could not be put yet */
	struct fy_command *commands, *commands_last;
	bool commands_press;     /* one of them waits for something else than an agreement */
	struct fy_timer *timers; /* a heap */
	size_t n_timers, timer_room;
	/* counts for agreements, by colour: user records put, and user records that came to their
	 * end here */
	uint64_t issued[2], done[2];
	unsigned colour; /* of what this rank's threads post now: changes when it joins a fence */
	unsigned batch_colour; /* of records without a tag in the batch that is dispatched */
	uint32_t tag; /* of what the inline handler posts that runs: 0 if it is of `colour` */
	uint64_t queued_of[2];  /* records in queues of channels, */
	uint64_t replies_of[2]; /* replies in `replies`, */
	uint64_t awaited_of[2]; /* futures of posts that left and are not confirmed, by colour */
	/* messages that executors got; engine->handled_elsewhere says how many are back */
	uint64_t given;
	struct fy_agree agree;
	struct fy_starts *starts; /* NULL until the first */
	int64_t mail_checked;
	struct fy_unread unread; /* what was dropped unread, for the line at the end */
	ferry_future *rooms;     /* of ferry_room; future->id is the rank */
	ferry_stats stats;
	/* close */
	bool closing;                  /* close has begun here */
	void (*close_look)(void *arg); /* what each step of a close looks at besides, or NULL */
	void *close_look_arg;
	bool byes;                         /* goodbyes are being exchanged */
	bool stopped;                      /* nothing is left to be done */
	bool drained;                      /* agreed: nothing is under way */
	bool finished;                     /* the port may be closed */
	int64_t cancelled_at, finished_at; /* when the receives were cancelled, last and first */
	bool clean;
	int64_t gone_since; /* when the first peer was found gone; 0: none */
	int64_t gave_up_at; /* when a close gave up for that; 0: it did not */
};

#endif
