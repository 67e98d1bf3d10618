/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a job stuck, and why? Pure functions of pictures: two of each rank, taken in two rounds, so
 * that all of the first round were taken before the first of the second one. Any thread, and any
 * program that links this file.
 */
#pragma once

#include <stddef.h>

struct fy_picture;

/* So many ns have to pass between two pictures of a rank. */
#define FY_VERDICT_APART 250000000

enum fy_verdict {
	FY_VERDICT_NO,     /* something moves */
	FY_VERDICT_LIKELY, /* nothing of the library moves, but it could */
	FY_VERDICT_PROVED  /* nothing can go on any more */
};

/* By rank; NULL: that rank was silent. Ranks that are gone are silent and known to be. */
struct fy_verdict_of {
	const struct fy_picture *const *first, *const *second;
	int size;
};

enum fy_verdict fy_verdict(const struct fy_verdict_of *job);
const char *fy_verdict_name(enum fy_verdict verdict);
/* Why the verdict is not proved, in `text`, which is returned: "" if it is. */
const char *fy_verdict_why_not(const struct fy_verdict_of *job, char *text, size_t room);
