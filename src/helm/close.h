/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "helm/command.h"
#include "helm/left.h"

struct fy_progress;

/* How far the close is. */
struct fy_close {
	bool begun;              /* the close has begun here */
	int64_t called_at;       /* when (ns) the program asked for it; 0: it did not */
	void (*look)(void *arg); /* called in each step of a close, or NULL */
	void *look_arg;
	bool byes;     /* goodbyes are being exchanged */
	bool stopped;  /* nothing is left to be done */
	bool drained;  /* all ranks agreed: nothing is under way */
	bool finished; /* all goodbyes came: the receives end */
	int64_t cancelled_at,
		finished_at;     /* when (ns) the receives were last and first cancelled */
	bool clean;              /* every rank came to its orderly end */
	bool aborted;            /* this rank ends, whatever the others do */
	struct fy_command abort; /* asks for that */
	struct fy_left left;     /* for the statistics at the end */
	int64_t gave_up_at;      /* when (ns) the close went on without the others; 0: it did not */
};

/* When (ns) the close goes on without the others, because a rank is gone and they have taken
 * close_timeout; INT64_MAX: never, as far as is known. */
int64_t fy_close_late_at(const struct fy_progress *p);
void fy_close_step(struct fy_progress *p);
/* End this engine without the other ranks, which are told. `status` becomes the engine's. */
void fy_close_abort(struct fy_progress *p, int status, const char *why);
/* Begin the helm's part of a close. */
void fy_close_begin(struct fy_progress *p);
