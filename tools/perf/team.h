/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that start together. perf_team_start creates them, and they wait at a gate. perf_team_go
 * opens the gate. Members that call perf_team_pause wait at the next gate, which another
 * perf_team_go opens. perf_team_join waits for the threads' end.
 */
#ifndef PERF_TEAM_H
#define PERF_TEAM_H

#include <pthread.h>

struct perf_team;

struct perf_member {
	struct perf_team *team;
	int index;
	void *arg;
	void (*work)(struct perf_member *member);
	pthread_t thread;
};

struct perf_team {
	int count;
	pthread_barrier_t gate;
	struct perf_member *members;
};

void perf_team_start(struct perf_team *team, int count, void (*work)(struct perf_member *),
                     void *arg);
void perf_team_go(struct perf_team *team);
void perf_team_pause(struct perf_member *member);
void perf_team_join(struct perf_team *team);

#endif /* PERF_TEAM_H */
