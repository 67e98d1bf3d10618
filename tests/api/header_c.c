/* SPDX-License-Identifier: Apache-2.0 */
/* The public headers stand alone, first in a file and twice; header, library
 * and package agree on the version. */
#include "ferry.h"
#include "ferry.h"

#include "config.h"

#include <stdio.h>
#include <string.h>

int main(void)
{
	if (strcmp(FERRY_VERSION, PACKAGE_VERSION) != 0 ||
	    strcmp(ferry_version(), FERRY_VERSION) != 0) {
		printf("header %s, package %s, library %s\n", FERRY_VERSION, PACKAGE_VERSION,
		       ferry_version());
		return 1;
	}
	return 0;
}
