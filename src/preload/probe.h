/* SPDX-License-Identifier: Apache-2.0 */
/* Probes: only the holder of the helm asks MPI, with all lanes empty, so that a probe never shows a
 * message that a receive of the program will take. */
#pragma once

#include <stdbool.h>

#include "preload/next.h"

struct fy_preload_probe {
	int peer, tag;
	MPI_Comm comm;
	MPI_Message *message; /* NULL: MPI_Probe or MPI_Iprobe */
	MPI_Status *status;
	bool once; /* does not wait */
	int flag, code;
};

int fy_preload_probe(struct fy_preload_probe *probe);
