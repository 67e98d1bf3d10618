/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the holder of the helm decides by: rules about when to spin, yield and sleep, how much to
 * drain and to look at. They see struct fy_signals and the parameters (shared/policy_table.h) and
 * nothing else: no clock, no thread, no shared word. Whoever asks fills in what that decision
 * reads. What threads decide that post and wait stands in shared/habit.h, in the same way, because
 * they may not look at what is the helm's; its parameters are in the same table.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/policy_table.h"

#define FY_NEVER INT64_MAX /* as a time since something: it was not so far */

/* Times are since something happened, or until it will, in ns. */
struct fy_signals {
	int64_t idle_for;    /* nothing was done since */
	int64_t rung_ago;    /* a rank of this host rang, and no message came since */
	int64_t awaited_ago; /* somebody waited for an answer */
	int64_t slept_ago;   /* a lane's producer slept for want of room in it */
	int64_t no_room_for; /* a channel has no room */
	int64_t agree_in;    /* the agreement wants a look */
	int64_t timer_in;    /* the first timer ends */
	int64_t grace;       /* of messages that nobody has taken; FY_NEVER: there are none */
	int64_t sleep_max;   /* the user's option */
	int64_t idle_sleep;  /* how long the next sleep of those is that grow */
	uint64_t steps;      /* since the engine was opened */
	uint64_t share;      /* bytes that left a flooding lane in its turn */
	unsigned receives;   /* there are so many */
	bool all_local;      /* all ranks are on this host */
	bool under_way;      /* MPI has something of ours, or soon will */
	bool calls;          /* answers are waited for */
	bool awaited;        /* something is waited for that others send */
	bool agreeing;       /* a fence or close is under way */
	bool starts;         /* requests of the program are under way */
	bool broke_off;      /* a lane kept a record for which there was no room */
	bool user_code;      /* who drives may run it */
	bool napped;         /* the last sleep was a nap, and nothing came of it */
	bool nap;            /* the next one is */
	bool gives_way;      /* floods do, in this step */
	bool a_lane_floods;  /* in this step a lane was seen to flood */
	struct {
		bool any;       /* there were large messages to or from other hosts */
		int64_t ago;    /* they were under way; 0: they are */
		int64_t refill; /* what 64 KiB take on the wire; 0: not known */
		bool chunks;    /* of any large message are under way, on this host, too */
	} large;
	struct {                   /* of this thread */
		bool drives_alone; /* no other thread waits for the helm */
		bool yields;       /* it is time to (shared/company.h) */
		bool turn;         /* fellows ran, and its turn is not over */
		bool stranger;     /* who would get the processor, so it is not */
	} company;
};

/* From what does not change while the engine is open: whether ranks of this host outnumber its
 * processors, whether there are other hosts, and the user's option. */
void fy_policy_choose(struct fy_policy *policy, bool crowded, bool all_local, int64_t spin);

/* ---- large messages to and from other hosts ---- */

static inline bool fy_policy_is_slow(const struct fy_policy *policy, int64_t refill)
{
	return refill > policy->wire.wire_slow;
}

/* Are there such messages, or were there just now, and is the wire fast as far as is known? */
static inline bool fy_policy_on_fast_wire(const struct fy_policy *policy,
                                          const struct fy_signals *s)
{
	return s->large.any && s->large.ago < policy->wire.wire_after &&
	       !fy_policy_is_slow(policy, s->large.refill);
}

/* ---- when nothing happens ---- */

enum fy_idle { FY_IDLE_SPIN, FY_IDLE_YIELD, FY_IDLE_NAP, FY_IDLE_SLEEP };

enum fy_idle fy_policy_idle(const struct fy_policy *policy, const struct fy_signals *s);

struct fy_sleep {
	int64_t time; /* until the loop has to look at the network again */
	int64_t next; /* what idle_sleep becomes */
};

struct fy_sleep fy_policy_sleep(const struct fy_policy *policy, const struct fy_signals *s);

/* How long to stand by for threads that drive, after so long a look found them driving. */
int64_t fy_policy_stand_by(const struct fy_policy *policy, int64_t last);

/* Would the progress thread, which stands by, look too late for a loop that would sleep for so
 * long? Then who drove last wakes it. */
static inline bool fy_policy_looks_soon(const struct fy_policy *policy, int64_t sleep)
{
	return sleep < policy->idle.stand_by;
}

/* ---- a thread that waits, after a step in which nothing happened ---- */

enum fy_drive { FY_DRIVE_ON, FY_DRIVE_LEND, FY_DRIVE_LEAVE };

static inline int64_t fy_policy_drives_for(const struct fy_policy *policy,
                                           const struct fy_signals *s)
{
	if (s->user_code)
		return policy->drive.drive_idle;
	int64_t t = s->large.chunks ? policy->drive.drive_busy : policy->drive.drive_idle;
	if (fy_policy_on_fast_wire(policy, s) && policy->wire.wire_yield > t)
		t = policy->wire.wire_yield;
	/* chunks of this host are copied meanwhile, and that is no waiting */
	bool copies = s->large.chunks && !s->large.any;
	if (s->company.stranger && !copies && policy->yield.look_stranger < t)
		t = policy->yield.look_stranger;
	return t;
}

static inline enum fy_drive fy_policy_drive(const struct fy_policy *policy,
                                            const struct fy_signals *s)
{
	if (s->idle_for > fy_policy_drives_for(policy, s))
		return FY_DRIVE_LEAVE;
	if (s->idle_for <= policy->idle.spin || (s->company.drives_alone && !s->company.yields))
		return FY_DRIVE_ON;
	if (s->company.turn && s->idle_for < policy->yield.look_fellows)
		return FY_DRIVE_ON;
	return FY_DRIVE_LEND;
}

/* A thread came to drive so long after the last one left: does it come back so soon that nobody
 * need ring meanwhile? */
static inline bool fy_policy_comes_back(const struct fy_policy *policy, int64_t after)
{
	return after < policy->drive.back_within;
}

/* ---- the drain ---- */

/* Do floods give way? While somebody waits for answers, but not to an agreement: it waits for the
 * floods. */
static inline bool fy_policy_gives_way(const struct fy_policy *policy, const struct fy_signals *s)
{
	return !s->agreeing && s->awaited_ago < policy->drain.answers_matter;
}

/* Is this lane one of them? */
static inline bool fy_policy_is_flood(const struct fy_policy *policy, const struct fy_signals *s)
{
	return s->slept_ago < policy->drain.flood_lasts;
}

/* Is it the next one's turn? */
static inline bool fy_policy_had_share(const struct fy_policy *policy, const struct fy_signals *s)
{
	return s->share >= (uint64_t)policy->drain.flood_share;
}

/* With so many bytes from all lanes the drain ends. */
static inline uint64_t fy_policy_drain_bytes(const struct fy_policy *policy,
                                             const struct fy_signals *s)
{
	return (uint64_t)(s->gives_way && s->a_lane_floods ? policy->drain.drain_beside
	                                                   : policy->drain.drain_bytes);
}

/* Does what has no room get out of the others' way? */
static inline bool fy_policy_moves_aside(const struct fy_policy *policy, const struct fy_signals *s)
{
	return s->no_room_for >= policy->drain.slow_after;
}

/* ---- receives ---- */

unsigned fy_policy_receives(const struct fy_policy *policy, unsigned ranks);

/* How many are tested behind one that is not complete. */
static inline unsigned fy_policy_look_ahead(const struct fy_policy *policy,
                                            const struct fy_signals *s)
{
	if (s->steps & policy->look.seldom)
		return 0;
	if ((s->steps & (uint64_t)(policy->look.look_all_steps - 1)) == 0)
		return s->receives;
	if ((s->steps & (uint64_t)(policy->look.look_ahead_steps - 1)) == 0)
		return (unsigned)policy->look.look_ahead;
	return 0;
}
