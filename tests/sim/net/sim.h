/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network in memory: the port of any number of virtual ranks in one process,
 * with virtual time and a seeded choice of everything that MPI leaves open.
 *
 * One thread drives it: it steps the engines over fy_sim_port(), and when none
 * of them has anything to do it calls fy_sim_advance(), which moves the time to
 * the next event. Only that moves anything; a run is a function of the seed and
 * of the order of the calls.
 */
#ifndef FY_SIM_NET_SIM_H
#define FY_SIM_NET_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "port/port.h"

typedef struct fy_sim fy_sim;

/* Zero in any field means its default. Times in ns of virtual time. */
struct fy_sim_options {
	int64_t delay_min; /* from a send to its arrival; 500 */
	/* 20,000; each ordered pair of ranks has a reach of its own up to this */
	int64_t delay_max;
	int64_t late_max; /* from when all is in place to when a request is done; delay_max */
	int64_t grain; /* all times are rounded up to multiples of this: more happens at once; 1 */
	size_t eager_max;    /* longer sends end only when matched; 8192. SIZE_MAX: none waits */
	size_t chunk_max;    /* the longest send; 1 GiB */
	int tag_max;         /* 1 << 28; at least 1, lower than MPI permits, to see tags wrap */
	uint32_t refuse_ppm; /* sends in a million that are refused at once with FERRY_EMPI; 0 */
	uint32_t fail_ppm;   /* sends in a million that end with FERRY_EMPI and never arrive; 0 */
	/* likewise of sends that are not for tag 0; as many such receives end so when all has
	 * come; 0 */
	uint32_t fail_data_ppm;
	/* receives for tag 0 in a million that end with FERRY_EMPI though nothing came; 0 */
	uint32_t fail_receive_ppm;
	/* messages in a million of which one bit arrives as the other; 0 */
	uint32_t damage_ppm;
	/* no rank sees another one's doorbell, watchdog, or death; false */
	bool remote;
	bool borrowed;     /* only one thread may call it: not lendable; false */
	bool count_misuse; /* a misuse is counted; otherwise it prints a sentence and aborts */
};

struct fy_sim_stats {
	uint64_t sends; /* accepted */
	uint64_t receives;
	uint64_t arrived; /* messages that reached their rank */
	uint64_t bytes;   /* of the messages that arrived */
	uint64_t refused;
	uint64_t failed;
	uint64_t lost;        /* messages that a kill dropped */
	uint64_t canceled;    /* receives that ended so */
	uint64_t cancel_lost; /* a message came before the cancel */
	uint64_t truncated;
	uint64_t damaged;
	uint64_t rendezvous; /* sends that waited for their match */
	uint64_t unexpected; /* messages that found no receive */
	uint64_t unexpected_now;
	uint64_t unexpected_peak;  /* the most at one time, all ranks together */
	uint64_t unexpected_bytes; /* held for them now; eager bodies only */
	uint64_t unexpected_bytes_peak;
	uint64_t overtaken; /* receives done before one that matched earlier at the same rank */
	uint64_t misuses;
	uint64_t events;
};

/* NULL when memory is exhausted or ranks < 1; `options` may be NULL. */
fy_sim *fy_sim_create(int ranks, uint64_t seed, const struct fy_sim_options *options);
/* Frees all. Memory of requests that are still under way is not touched. */
void fy_sim_destroy(fy_sim *sim);
fy_port *fy_sim_port(fy_sim *sim, int rank);

int64_t fy_sim_now(const fy_sim *sim);
/* When the next event is due, or INT64_MAX when nothing is under way. */
int64_t fy_sim_next(const fy_sim *sim);
/* Go to the next event and let all happen that is due then. False: nothing is
 * under way, and the time stays. */
bool fy_sim_advance(fy_sim *sim);
/* Go to that time, letting all happen that is due until then. For timers. */
void fy_sim_advance_to(fy_sim *sim, int64_t time);
/* A rank to which something happened since it was last named here, or -1.
 * A driver of many ranks needs to step only these and those it gave work. */
int fy_sim_touched(fy_sim *sim);

/* The rank is gone: nothing from it arrives any more, what is sent to it is
 * lost, though such sends may end well, as with MPI. Its memory is not touched
 * any more; its own requests all end at the next test, with FERRY_ECANCELED,
 * so that a test can take its engine apart. */
void fy_sim_kill(fy_sim *sim, int index);
bool fy_sim_killed(const fy_sim *sim, int rank);
/* The rank's watchdog beats once: it is late. */
void fy_sim_beat(fy_sim *sim, int rank);
/* Nothing passes from one rank to the other, one way, until it heals; what
 * comes to the cut is held, and arrives at the moment of healing, in order. 0 or
 * FERRY_ENOMEM. */
int fy_sim_cut(fy_sim *sim, int from, int to);
void fy_sim_heal(fy_sim *sim, int from, int to);
/* The next `count` sends of this rank are refused. */
void fy_sim_refuse(fy_sim *sim, int rank, unsigned count);
/* The next `count` cancels of this rank do nothing. */
void fy_sim_refuse_cancels(fy_sim *sim, int rank, unsigned count);
/* Of this rank's next sends (or receives) that are not for tag 0, `skip` go well and then
 * `count` fail. */
void fy_sim_fail_data(fy_sim *sim, int rank, bool receives, unsigned skip, unsigned count);
/* Of this rank's next receives for tag 0 that a message comes to, `skip` go well and then `count`
 * end with FERRY_EMPI: the message is lost, and nothing says whose it was. */
void fy_sim_lose_batches(fy_sim *sim, int rank, unsigned skip, unsigned count);
/* Of the next messages that come to this rank and are not empty `skip` arrive as they were sent,
 * and in `count` one bit is another. `data`: of those that are not for tag 0; else of those that
 * are. */
void fy_sim_damage(fy_sim *sim, int rank, bool data, unsigned skip, unsigned count);
/* The oldest `count` receives for tag 0 that are posted here end with FERRY_EMPI now, though
 * nothing came. */
void fy_sim_fail_posted(fy_sim *sim, int rank, unsigned count);
/* The next `count` receives of this rank are refused. */
void fy_sim_refuse_receives(fy_sim *sim, int rank, unsigned count);
/* The network does worse or better from now on: see fy_sim_options. */
void fy_sim_refuse_ppm(fy_sim *sim, uint32_t refuse_ppm, uint32_t fail_ppm);

/* Called at each send that is accepted; fn NULL: not any more. */
typedef void fy_sim_record_fn(void *arg, int from, int to, int tag, const void *data,
                              size_t nbytes);
void fy_sim_record(fy_sim *sim, fy_sim_record_fn *fn, void *arg);

/* Requests that were started and not yet reported done; FY_PORT_ANY: all ranks'. */
size_t fy_sim_outstanding(const fy_sim *sim, int rank);
const struct fy_sim_stats *fy_sim_stats(const fy_sim *sim);
/* The last misuse in a sentence, "" if there was none. */
const char *fy_sim_misuse(const fy_sim *sim);
/* Of all that happened so far, in its order and with its time: what was started with which bytes,
 * what arrived, matched, failed and ended, and when an engine was told. Two runs with the same
 * digest were the same run. */
uint64_t fy_sim_digest(const fy_sim *sim);
/* What the test itself saw at that rank becomes part of the digest. */
void fy_sim_note(fy_sim *sim, int rank, uint64_t what);

#endif
