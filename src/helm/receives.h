/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "port/port.h"

struct fy_progress;

/* The posted receives. */
struct fy_receives {
	struct fy_slot *first, *last; /* posted, oldest first */
	struct fy_slot *array;        /* of n */
	unsigned n, n_posted;
	unsigned low;          /* with fewer posted there are too few */
	struct fy_slot *extra; /* more, made while buffers of the array were in use */
	/* free again, to be posted by a step in which nothing comes, or when few are posted: what
	 * just came is answered first */
	struct fy_slot *later, *later_last;
	struct fy_slot *unposted; /* MPI did not start these; tried again in the next step */
};

struct fy_slot {
	fy_request request;
	char *buffer;
	struct fy_slot *next; /* in the order of posting, or in a peer's list of early batches */
	struct fy_slot *extra_next;
	uint32_t seq;           /* the number of the batch that came */
	uint32_t offset, index; /* where its dispatch goes on */
	bool begun;             /* its dispatch has begun */
	bool bad;               /* its header is malformed: it only takes a number */
};
void fy_receives_post(struct fy_progress *p, struct fy_slot *slot);
void fy_receives_post_later(struct fy_progress *p, struct fy_slot *slot);
void fy_receives_post_those(struct fy_progress *p);
void fy_receives_post_again(struct fy_progress *p);
void fy_receives_post_more(struct fy_progress *p);
int fy_receives_open(struct fy_progress *p);
/* Post the receives, once the open has succeeded on all ranks. */
void fy_receives_begin(struct fy_progress *p);
void fy_receives_cancel(struct fy_progress *p);
void fy_receives_free(struct fy_progress *p);
