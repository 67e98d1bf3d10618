/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The port of a virtual rank: what its engine calls. It starts operations and says how they ended;
 * what it is not allowed to do it refuses, or calls a misuse.
 */
#ifndef FY_SIM_NET_PORT_H
#define FY_SIM_NET_PORT_H

#include "sim/net/op.h"

/* The rank with that index, with nothing under way. */
void port_init(fy_sim *sim, int index);

#endif
