/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "wire/bodies.h"

struct fy_channel;
struct fy_progress;

/* Words of agreements that are owed to a peer. */
struct fy_owed {
	bool up_owed, down_owed, news_owed;
	struct fy_agree_word up, down;
	struct fy_agree_news news;
};

/* Put what is owed, while channel->control_owed. */
void fy_owed_put(struct fy_progress *p, struct fy_channel *ch);
