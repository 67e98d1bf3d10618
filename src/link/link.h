/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link: what this rank's channels have in common. The port, the time of the step, what is
 * dirty, what flies, counts, statistics. Called by the holder of the helm alone. Knows nothing of
 * large messages, lanes or handlers.
 */
#ifndef FY_LINK_LINK_H
#define FY_LINK_LINK_H

#include "helm/progress.h"
#include "wire/record.h"

/* The colour of a record in the batch that is dispatched. */
static inline unsigned fy_link_arrived_colour(const struct fy_progress *p,
                                              const struct fy_record *r)
{
	return fy_record_tag_colour(r->stream, p->batch_colour);
}

#endif
