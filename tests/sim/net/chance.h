/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chance: all that the seed decides. Low in the order: it knows the options, and nothing of what is
 * under way.
 */
#ifndef FY_SIM_NET_CHANCE_H
#define FY_SIM_NET_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/net/sim.h"

struct chance {
	const struct fy_sim_options *options;
	uint64_t seed, random;
};

/* What a test asked for: the next `skip` go well, then `count` fail. */
struct fault {
	unsigned skip, count;
};

/* Without state: the same word gives the same. */
uint64_t chance_mix(uint64_t x);
uint64_t chance_draw(struct chance *chance);
bool chance_comes(struct chance *chance, uint32_t ppm);
/* From a send to its arrival. */
int64_t chance_delay(struct chance *chance, int from, int to);
/* From when all is in place to when a request is done. */
int64_t chance_late(struct chance *chance);
/* Is this one to fail? It is counted. */
bool chance_due(struct fault *fault);
/* Does this send or receive of data fail? */
bool chance_data_fails(struct chance *chance, struct fault *fault, int tag);

#endif
