/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fy_channel;
struct fy_progress;
struct fy_refused;

/* Peers that are gone. */
struct fy_losses {
	int64_t since; /* when (ns) the first peer was gone; 0: none is */
};

void fy_gone_unsent(struct fy_progress *p, struct fy_channel *ch);
void fy_gone_refuse_batch(struct fy_progress *p, struct fy_channel *ch, uint32_t seq,
                          uint32_t index);
void fy_gone_refused(struct fy_progress *p, struct fy_channel *ch, const struct fy_refused *r);
void fy_gone_end(struct fy_progress *p, struct fy_channel *ch, int status, const char *detail);
/* At the end of a step: the same for peers that link/ and bulk/ have given up. */
void fy_gone_sweep(struct fy_progress *p);
/* That rank says that it has given this one up. */
void fy_gone_given_up(struct fy_progress *p, struct fy_channel *ch);
