/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/list.h"
#include "bulk/inbound.h"
#include "bulk/outbound.h"
#include "link/channel.h"

/* This rank and another one: their channel, and the large messages both ways. The helm's. */
struct fy_pair {
	struct fy_channel channel;
	struct fy_outbounds out;
	struct fy_inbounds in;
};

static inline struct fy_outbounds *fy_pair_out(const struct fy_channel *ch)
{
	return &fy_container_of(ch, struct fy_pair, channel)->out;
}
static inline struct fy_inbounds *fy_pair_in(const struct fy_channel *ch)
{
	return &fy_container_of(ch, struct fy_pair, channel)->in;
}
