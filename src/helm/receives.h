/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_RECEIVES_H
#define FY_HELM_RECEIVES_H

#include <stdbool.h>
#include <stdint.h>

#include "port/port.h"

struct fy_progress;

/* Receives that are posted, and their buffers. */
struct fy_receives {
	struct fy_slot *first, *last; /* posted, oldest first */
	struct fy_slot *array;        /* array */
	unsigned n, n_posted;
	struct fy_slot *extra;
	struct fy_slot *unposted; /* MPI did not take them: again at the next step */
};

struct fy_slot {
	fy_request request;
	char *buffer;
	struct fy_slot *next; /* in the order of posting, or in a channel's early list */
	struct fy_slot *extra_next;
	uint32_t seq;           /* once arrived */
	uint32_t offset, index; /* where a paused dispatch goes on */
	bool begun;
	bool bad; /* not to be believed at all: it only takes a number */
};
void fy_receives_post(struct fy_progress *p, struct fy_slot *slot);
void fy_receives_post_again(struct fy_progress *p);
void fy_receives_post_more(struct fy_progress *p);
int fy_receives_open(struct fy_progress *p);
/* Post the receives, when all ranks are there to stay. */
void fy_receives_begin(struct fy_progress *p);
void fy_receives_cancel(struct fy_progress *p);
void fy_receives_free(struct fy_progress *p);

#endif
