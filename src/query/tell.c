/* SPDX-License-Identifier: Apache-2.0 */
#include "query/tell.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ferry.h"
#include "base/clock.h"
#include "helm/portray.h"
#include "helm/progress.h"
#include "helm/question.h"
#include "monitor/reader.h"
#include "query/answer.h"
#include "query/socket.h"
#include "shared/engine.h"

/* Add the file of that name if it is that rank's. `job` 0: any. Returns the job; 0: it is not. */
static uint64_t add_file(const struct fy_monitor_list *list, const char *name, uint64_t job,
                         int rank, struct fy_answer *answer)
{
	char why[FY_MONITOR_WHY];
	struct fy_monitor_copy copy;
	uint64_t found = 0;
	if (fy_monitor_read(list, name, &copy, why) != 0)
		return 0;
	if (copy.head->rank == rank && copy.head->size == answer->size &&
	    (!job || copy.head->job == job)) {
		found = copy.head->job;
		fy_answer_add_file(answer, &copy, fy_clock_now());
	}
	fy_monitor_copy_free(&copy);
	return found;
}

static bool list_files(const struct fy_query_place *place, struct fy_monitor_list *list)
{
	char why[FY_MONITOR_WHY];
	return place && place->path[0] && fy_monitor_list(place->path, list, why) == 0;
}

void fy_tell_self(const struct fy_query_place *place, int rank, int size, struct fy_answer *answer)
{
	struct fy_monitor_list list;
	fy_answer_begin(answer, rank, size, FY_ANSWER_HELM);
	if (!list_files(place, &list))
		return;
	add_file(&list, place->file, 0, rank, answer);
	fy_monitor_list_free(&list);
}

/* Of another rank of this host. False: there is no file of it. */
static bool tell_other(const struct fy_query_place *place, const ferry *engine, int rank,
                       struct fy_answer *answer)
{
	struct fy_monitor_list list;
	struct fy_answer own;
	bool found = false;
	fy_answer_begin(answer, rank, engine->size, FY_ANSWER_FILE);
	fy_answer_begin(&own, engine->rank, engine->size, FY_ANSWER_FILE);
	if (!list_files(place, &list))
		return false;
	uint64_t job = add_file(&list, place->file, 0, engine->rank, &own);
	for (unsigned i = 0; job && !found && i < list.n; i++)
		found = add_file(&list, list.names[i], job, rank, answer) != 0;
	fy_monitor_list_free(&list);
	return found;
}

size_t fy_tell_report(struct fy_progress *p, int rank, void *room, size_t max)
{
	const ferry *engine = p->link.engine;
	const struct fy_query_place *place = p->questions.place;
	struct fy_answer answer;
	if (max < sizeof answer)
		return 0;
	if (rank != engine->rank) {
		if (!tell_other(place, engine, rank, &answer))
			return 0;
	} else {
		fy_tell_self(place, rank, engine->size, &answer);
		answer.process = FY_ANSWER_RUNS;
		answer.has_picture = 1;
		fy_portray_threads(engine, &answer.picture);
		fy_portray_engine(p, &answer.picture);
	}
	memcpy(room, &answer, sizeof answer);
	return sizeof answer;
}
