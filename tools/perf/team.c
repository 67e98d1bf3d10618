/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "perf.h"
#include "team.h"

static void *member_main(void *arg)
{
	struct perf_member *member = arg;

	perf_team_pause(member);
	member->work(member);
	return NULL;
}

void perf_team_start(struct perf_team *team, int count, void (*work)(struct perf_member *),
                     void *arg)
{
	int i;

	team->count = count;
	team->members = perf_allocate((size_t)count * sizeof(*team->members));
	if (pthread_barrier_init(&team->gate, NULL, (unsigned)count + 1) != 0)
		perf_fatal("the gate of %d threads cannot be made", count);
	for (i = 0; i < count; i++) {
		struct perf_member *member = &team->members[i];

		member->team = team;
		member->index = i;
		member->arg = arg;
		member->work = work;
		if (pthread_create(&member->thread, NULL, member_main, member) != 0)
			perf_fatal("only %d of %d threads can be made; ask for fewer", i, count);
	}
}

void perf_team_go(struct perf_team *team)
{
	pthread_barrier_wait(&team->gate);
}

void perf_team_pause(struct perf_member *member)
{
	pthread_barrier_wait(&member->team->gate);
}

void perf_team_join(struct perf_team *team)
{
	int i;

	for (i = 0; i < team->count; i++)
		pthread_join(team->members[i].thread, NULL);
	pthread_barrier_destroy(&team->gate);
	free(team->members);
}
