/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages: how one gets from its send to its receive. It is on its way, behind those of its link;
 * arrives, or is held at a cut; is matched, or unexpected; and lands.
 */
#ifndef FY_SIM_NET_MESSAGE_H
#define FY_SIM_NET_MESSAGE_H

#include <stdbool.h>

#include "sim/net/op.h"

/* The send has its link; false: memory is exhausted. */
bool message_join(fy_sim *sim, struct op *send);
void message_leave(fy_sim *sim, struct op *op);
void message_free_links(fy_sim *sim);
/* It is on its way, behind those that left before. */
void message_depart(fy_sim *sim, struct op *send);

/* The receive takes the first message that fits and has come (false), or waits for one. */
bool message_post(struct op *recv);
/* It does not wait any more. */
void message_unpost(struct op *recv);
/* It fails though nothing came, unless something came just now. */
void message_fail(fy_sim *sim, struct op *recv);

bool message_is_cut(const fy_sim *sim, int from, int to);
/* It is there: to its receive, or unexpected. */
void message_deliver(fy_sim *sim, struct op *send);
/* All that is at a rank that is gone, or on its last step to it, is lost. */
void message_drop(struct rank *rank);

/* What this event is for. */
void message_happen(fy_sim *sim, struct event event);

#endif
