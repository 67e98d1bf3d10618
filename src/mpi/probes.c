/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ferry_improbe. Everything here is the helm's.
 *
 * Probes with the same communicator, source and tag are in one pattern, the oldest first. MPI is
 * asked once for all of them, and the oldest gets the message. So the order of one thread's probes
 * is kept, and a hundred threads that probe for the same cost no more than one. A step looks at
 * LOOK_MAX patterns at most, and begins where the last step ended.
 *
 * Only the holder of its handle can receive a matched message. So no message may be matched for a
 * future that is given up meanwhile. First MPI is asked whether there is a message (MPI_Iprobe).
 * Then the future is claimed, so that no cancel or deadline can decide it. Then the message is
 * matched (MPI_Improbe), and the future is done. A cancel or deadline that comes between waits for
 * that moment (future.c). If a thread of the program has taken the message meanwhile by a call of
 * its own, the claim is given back, and nothing has happened.
 *
 * If the future was given up first, the program's variable for the handle is not written: its
 * memory may be freed.
 */
#include "mpi/probes.h"

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/list.h"
#include "base/order.h"
#include "future/future.h"
#include "mpi/error.h"
#include "mpi/start.h"
#include "mpi/starts.h"

#define LOOK_MAX 32  /* at most so many patterns in a step */
#define FOUND_MAX 64 /* at most so many messages of one pattern in a step */

struct probe {
	struct probe *next;
	ferry_future *future;
	MPI_Message *place; /* the program's; not to be written once the future is decided */
};

struct fy_pattern {
	struct fy_pattern *next;
	MPI_Comm comm;
	int source, tag;
	struct probe *first, *last;
};

/* ---- patterns ------------------------------------------------------------------- */

static struct fy_pattern *find(struct fy_probes *probes, const struct fy_start *a)
{
	struct fy_pattern *pattern = probes->first;
	while (pattern && !(pattern->comm == a->probe.comm && pattern->source == a->peer &&
	                    pattern->tag == a->tag))
		pattern = pattern->next;
	return pattern;
}

static struct fy_pattern *make(struct fy_probes *probes, const struct fy_start *a)
{
	struct fy_pattern *pattern = malloc(sizeof *pattern);
	if (!pattern)
		return NULL;
	*pattern = (struct fy_pattern){ .comm = a->probe.comm, .source = a->peer, .tag = a->tag };
	fy_list_append(probes->first, probes->last, pattern);
	probes->n_patterns++;
	return pattern;
}

/* Drop patterns that have no probe any more. */
static void drop_empty(struct fy_probes *probes)
{
	struct fy_pattern **at = &probes->first, *pattern;
	probes->last = NULL;
	while ((pattern = *at)) {
		if (pattern->first) {
			probes->last = pattern;
			at = &pattern->next;
			continue;
		}
		*at = pattern->next;
		if (probes->cursor == pattern)
			probes->cursor = pattern->next;
		free(pattern);
		probes->n_patterns--;
	}
}

/* Take the oldest probe off a pattern. */
static void pop(struct fy_probes *probes, struct fy_pattern *pattern)
{
	struct probe *probe = pattern->first;
	fy_list_drop(pattern->first, pattern->last);
	free(probe);
	probes->n--;
}

/* ---- looking --------------------------------------------------------------------- */

/* Complete the probe's future, which is claimed. */
static void matched(const struct probe *probe, MPI_Message message, const MPI_Status *status)
{
	*probe->place = message;
	fy_start_keep_status(probe->future, status);
	fy_future_finish(probe->future, FERRY_OK);
	ferry_future_release(probe->future);
}

static void refused(const struct probe *probe, int code)
{
	fy_start_keep_status(probe->future, NULL);
	probe->future->detail = strdup(fy_mpi_error_text("ferry_improbe", code));
	fy_future_finish(probe->future, FERRY_EMPI);
	ferry_future_release(probe->future);
}

/* True: the oldest probe of this pattern is over. */
static bool look(struct fy_probes *probes, struct fy_pattern *pattern)
{
	struct probe *probe = pattern->first;
	MPI_Message message = MPI_MESSAGE_NULL;
	MPI_Status status;
	int found = 0;
	int code = MPI_Iprobe(pattern->source, pattern->tag, pattern->comm, &found, &status);
	if (code == MPI_SUCCESS && !found)
		return false;
	if (!fy_future_claim(probe->future)) { /* given up: leave the message to others */
		ferry_future_release(probe->future);
		pop(probes, pattern);
		return true;
	}
	if (code == MPI_SUCCESS)
		code = MPI_Improbe(pattern->source, pattern->tag, pattern->comm, &found, &message,
		                   &status);
	if (code == MPI_SUCCESS && !found) {
		fy_future_unclaim(probe->future);
		return false;
	}
	if (code == MPI_SUCCESS)
		matched(probe, message, &status);
	else
		refused(probe, code);
	pop(probes, pattern);
	return true;
}

static unsigned look_often(struct fy_probes *probes, struct fy_pattern *pattern)
{
	unsigned ended = 0;
	while (pattern->first && ended < FOUND_MAX && look(probes, pattern))
		ended++;
	return ended;
}

unsigned fy_probes_look(struct fy_probes *probes)
{
	unsigned ended = 0;
	size_t round = probes->n_patterns < LOOK_MAX ? probes->n_patterns : LOOK_MAX;
	while (round--) {
		struct fy_pattern *pattern = probes->cursor ? probes->cursor : probes->first;
		probes->cursor = pattern->next;
		ended += look_often(probes, pattern);
	}
	if (ended)
		drop_empty(probes);
	return ended;
}

/* ---- begin and end ------------------------------------------------------------------ */

bool fy_probes_begin(struct fy_mpi_starts *s, const struct fy_start *a, ferry_future *future)
{
	struct fy_probes *probes = &s->probes;
	struct fy_pattern *pattern = find(probes, a);
	struct probe *probe = malloc(sizeof *probe);
	if (probe && !pattern)
		pattern = make(probes, a);
	if (!probe || !pattern) {
		free(probe);
		return false;
	}
	if (!fy_start_depart(s, future, a->what)) {
		free(probe);
		drop_empty(probes);
		return true;
	}
	*probe = (struct probe){ .future = future, .place = a->probe.place };
	fy_list_append(pattern->first, pattern->last, probe);
	probes->n++;
	if (look_often(probes, pattern))
		drop_empty(probes);
	return true;
}

static void sweep_pattern(struct fy_probes *probes, struct fy_pattern *pattern)
{
	struct probe **at = &pattern->first, *probe;
	pattern->last = NULL;
	while ((probe = *at)) {
		if (!(fy_load_acquire_32(&probe->future->state) & FY_FUTURE_CLAIMED)) {
			pattern->last = probe;
			at = &probe->next;
			continue;
		}
		*at = probe->next;
		ferry_future_release(probe->future);
		free(probe);
		probes->n--;
	}
}

void fy_probes_sweep(struct fy_probes *probes)
{
	for (struct fy_pattern *pattern = probes->first; pattern; pattern = pattern->next)
		sweep_pattern(probes, pattern);
	drop_empty(probes);
}

void fy_probes_stop(struct fy_probes *probes, const char *why)
{
	for (struct fy_pattern *pattern = probes->first; pattern; pattern = pattern->next)
		while (pattern->first) {
			fy_future_complete(pattern->first->future, FERRY_ESTOPPED, why);
			pop(probes, pattern);
		}
	drop_empty(probes);
}
