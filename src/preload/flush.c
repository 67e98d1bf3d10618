/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/flush.h"

#include <stdio.h>
#include <stdlib.h>

#include "preload/next.h"

void fy_preload_flush(void)
{
	char why[512];
	if (fy_next_find(why, sizeof why) == 0)
		return;
	fprintf(stderr, "libferry-preload: %s\n", why);
	abort();
}
