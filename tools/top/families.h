/* SPDX-License-Identifier: Apache-2.0 */
/* What Prometheus is to know of each counter and gauge of a monitor file. */
#pragma once

#include <stdbool.h>

enum top_unit {
	TOP_NUMBER,
	TOP_SECONDS,  /* the file has ns */
	TOP_LEFT_OUT, /* means nothing in a time series */
};

struct top_family {
	const char *name; /* in the file */
	bool grows;       /* a counter */
	enum top_unit unit;
	const char *help;
};

/* Of a name that is not known here, `counter` tells what it is. */
struct top_family top_family_of(const char *name, bool counter);
