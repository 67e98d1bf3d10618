/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The distinct errors of an engine. The first ones stay: what came first is mostly the cause of
 * what follows. Only the holder of the helm may call.
 */
#include "link/errors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ferry.h"
#include "base/clock.h"
#include "link/link.h"

static bool is(const struct fy_monitor_error *e, int status, int rank, const char *text)
{
	return e->status == status && e->rank == rank &&
	       !strncmp(e->text, text, sizeof e->text - 1);
}

static struct fy_monitor_error *find(struct fy_errors *errors, int status, int rank,
                                     const char *text)
{
	if (errors->n && is(&errors->list[errors->last], status, rank, text))
		return &errors->list[errors->last];
	for (unsigned i = 0; i < errors->n; i++)
		if (is(&errors->list[i], status, rank, text)) {
			errors->last = i;
			return &errors->list[i];
		}
	return NULL;
}

static struct fy_monitor_error *add(struct fy_errors *errors, int status, int rank,
                                    const char *text)
{
	if (errors->n == FY_MONITOR_N_ERRORS) {
		errors->left_out++;
		return NULL;
	}
	struct fy_monitor_error *e = &errors->list[errors->last = errors->n++];
	*e = (struct fy_monitor_error){ .status = status, .rank = rank };
	snprintf(e->text, sizeof e->text, "%s", text);
	e->first_wall = fy_clock_wall();
	return e;
}

void fy_errors_note(struct fy_link *link, int status, int rank, const char *text)
{
	struct fy_errors *errors = &link->noted.errors;
	if (!text || !*text)
		text = ferry_strerror(status);
	struct fy_monitor_error *e = find(errors, status, rank, text);
	if (!e)
		e = add(errors, status, rank, text);
	if (!e)
		return;
	e->count++;
	e->last_wall = fy_clock_wall();
}
