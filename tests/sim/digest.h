/* SPDX-License-Identifier: Apache-2.0 */
/* For `make digest`: a run has a line in the file that FERRY_TEST_DIGEST names. */
#ifndef SIM_DIGEST_H
#define SIM_DIGEST_H

#include "support/test.h"
#include "sim/net/sim.h"

#include "helm/progress.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "shared/message.h"

#include <inttypes.h>

static inline void t_digest(const char *test, uint64_t seed, const fy_sim *sim)
{
	const char *path = getenv("FERRY_TEST_DIGEST");
	FILE *file = path ? fopen(path, "a") : NULL;

	if (!file)
		return;
	fprintf(file, "%s %" PRIu64 " %016" PRIx64 "\n", test, seed, fy_sim_digest(sim));
	assert_int_equal(fclose(file), 0);
}

#endif
