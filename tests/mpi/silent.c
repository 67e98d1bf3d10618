/* SPDX-License-Identifier: Apache-2.0 */
/* A rank that opens an engine, answers nobody, and leaves without a close: the partner of a peer
 * that waits for it. */
#include <stdio.h>
#include <unistd.h>

#include "ferry.h"

int main(void)
{
	ferry *engine;
	if (ferry_open(NULL, &engine)) {
		fprintf(stderr, "%s\n", ferry_last_error());
		return 2;
	}
	sleep(20); /* the launcher ends it when the other one gives up */
	_exit(3);
}
