/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "helm/policy.h"

struct fy_progress;

/* What the policy is told of the past. */
struct fy_pace {
	int64_t idle_sleep; /* grows while nothing happens */
	bool napped;        /* the last sleep was short and nothing came of it */
	int64_t left_at;    /* when a thread last left the engine to its next wait */
	bool comes_back;    /* and that wait came soon */
	int64_t rung_at;    /* when a rank of this host last rang; 0: the message was found */
};

void fy_pace_begin(struct fy_progress *p);
/* Something happened: the next sleep is short. */
void fy_pace_worked(struct fy_progress *p);
/* Does MPI have something of ours, or will it soon? */
bool fy_pace_is_under_way(const struct fy_progress *p);
/* Who else wants the processor of this thread, which has the helm. */
void fy_pace_take_company(const struct fy_progress *p, struct fy_signals *s);
/* What the policy sees of large messages. */
void fy_pace_large(const struct fy_progress *p, struct fy_signals *s);
/* What an idle loop does, to which nothing happened for so long. */
enum fy_idle fy_pace_idle(const struct fy_progress *p, int64_t idle_for);
/* How long may the loop sleep before it has to look at the network again? */
int64_t fy_pace_sleep_time(struct fy_progress *p, bool nap);
