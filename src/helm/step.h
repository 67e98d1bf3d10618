/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "helm/progress.h"

/* One step. True: something happened. `user_code`: inline handlers and callbacks may run. */
bool fy_step_once(struct fy_progress *p, bool user_code);
/* The part of a step that sends what threads posted, without a look at anything. False: there was
 * nothing. */
bool fy_step_send(struct fy_progress *p);
/* One by a thread of which the program knows that it waits: of its code, only handlers of
 * FERRY_ANYWHERE may run. */
bool fy_step_as_guest(struct fy_progress *p);
/* The part of a step that asks MPI, without user code. True: something came, and a step is due. */
bool fy_step_look(struct fy_progress *p);
/* Is there something to do that needs user code? */
static inline bool fy_step_owes_code(const struct fy_progress *p)
{
	return p->link.tasks.first || p->bulk.code_due;
}

/* Is there something to do that needs no network? */
bool fy_step_has_input(struct fy_progress *p, bool user_code);
