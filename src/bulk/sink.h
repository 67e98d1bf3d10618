/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct fy_bulk;

/* Where bytes are received that nobody will read. */
struct fy_sink {
	char *space; /* NULL until it is first needed */
	bool used;   /* a receive uses it */
};

/* Make the sink, unless it is there. False: not possible now. */
bool fy_sink_open(struct fy_bulk *bulk);
/* `unmap`: MPI does not write there any more, so the space may be unmapped. */
void fy_sink_close(struct fy_bulk *bulk, bool unmap);
