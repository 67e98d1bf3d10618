/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The census: at the end of an engine every rank sends one row to one of them, the root, if the
 * option stats is set there and here. Only the thread that ends the engine; it has ended the
 * receives for batches before.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "helm/left.h"
#include "port/port.h"

/* What a rank sends, as it is. All ranks are of one build. */
struct fy_census_row {
	uint32_t magic; /* 0, at the root: it did not come */
	uint32_t nbytes;
	ferry_stats stats;
	struct fy_left left;
};

struct fy_census;

/* Fill in the first two members. */
void fy_census_sign(struct fy_census_row *row);
/* Begin it. `members`: the ranks that take part, a set of base/bits.h; `root` is one of them. NULL:
 * no memory. */
struct fy_census *fy_census_begin(fy_port *port, int root, const uint64_t *members,
                                  const struct fy_census_row *row);
/* Go on with it, without waiting. True: it is over. */
bool fy_census_step(struct fy_census *c);
/* It takes too long: give it up. Then step until it is over, or until that takes too long, too. */
void fy_census_give_up(struct fy_census *c);
/* Elsewhere than at the root: the root has this rank's row. */
bool fy_census_was_taken(const struct fy_census *c);
/* At the root: the rows, by rank. NULL elsewhere. */
const struct fy_census_row *fy_census_rows(const struct fy_census *c);
/* If it is not over its memory is left to the network, on purpose. */
void fy_census_free(struct fy_census *c);
