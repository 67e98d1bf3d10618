/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_CLOSE_H
#define FY_HELM_CLOSE_H

#include <stdbool.h>
#include <stdint.h>

struct fy_progress;

/* How far the close is. */
struct fy_close {
	bool begun;              /* close has begun here */
	void (*look)(void *arg); /* what each step of a close looks at besides, or NULL */
	void *look_arg;
	bool byes;                         /* goodbyes are being exchanged */
	bool stopped;                      /* nothing is left to be done */
	bool drained;                      /* agreed: nothing is under way */
	bool finished;                     /* the port may be closed */
	int64_t cancelled_at, finished_at; /* when the receives were cancelled, last and first */
	bool clean;
	int64_t gave_up_at; /* when a close gave up for that; 0: it did not */
};

void fy_close_step(struct fy_progress *p);
/* The helm's part of a close begins. */
void fy_close_begin(struct fy_progress *p);

#endif
