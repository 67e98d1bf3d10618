/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_BULK_SINK_H
#define FY_BULK_SINK_H

#include <stdbool.h>

struct fy_bulk;

/* Where bytes go that nobody will read. */
struct fy_sink {
	char *space; /* where bytes go that nobody will read; NULL until there were some */
	bool used;   /* a receive has it */
};

/* Make p->sink, once. False: not now. */
bool fy_sink_open(struct fy_bulk *bulk);
/* `unmap`: MPI does not write there any more. */
void fy_sink_close(struct fy_bulk *bulk, bool unmap);

#endif
