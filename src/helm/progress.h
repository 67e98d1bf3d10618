/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that the helm owns: the link, large messages, and a part of each file of this folder. Nothing
 * here is shared: the holder of the helm reads and writes it without atomics. Taking the helm
 * orders the last holder's accesses before the next one's. Only this folder and engine/ see the
 * struct.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "future/waiters.h"
#include "bulk/blocks.h"
#include "bulk/bulk.h"
#include "helm/agree.h"
#include "helm/arrivals.h"
#include "helm/close.h"
#include "helm/command.h"
#include "helm/drain.h"
#include "helm/gaps.h"
#include "helm/gone.h"
#include "helm/handlers.h"
#include "helm/inline.h"
#include "helm/lanes.h"
#include "helm/lookout.h"
#include "helm/mail.h"
#include "helm/pace.h"
#include "helm/question.h"
#include "helm/queued.h"
#include "helm/receives.h"
#include "helm/replies.h"
#include "helm/report.h"
#include "helm/rooms.h"
#include "helm/sample.h"
#include "helm/timer.h"
#include "helm/words.h"
#include "link/link.h"
#include "port/port.h"
#include "shared/engine.h"
#include "shared/policy_table.h"
#include "shared/tasks.h"

struct fy_channel;
struct fy_starts;

struct fy_progress {
	struct fy_link link;
	const struct fy_policy *policy; /* the engine's */
	struct fy_pace pace;
	struct fy_queues queues;
	struct fy_drain drain;
	struct fy_arrivals arrivals;
	struct fy_rooms rooms;
	struct fy_lanes lanes;
	struct fy_receives receives;
	struct fy_gaps gaps;
	struct fy_losses losses;
	struct fy_words_all words;
	struct fy_questions questions;
	struct fy_lookout lookout;
	struct fy_bulk bulk;
	struct fy_handlers handlers;
	struct fy_inline inside;
	struct fy_replies replies;
	struct fy_commands commands;
	struct fy_timers timers;
	struct fy_agree agree;
	struct fy_starts *starts; /* or NULL */
	struct fy_mail mail;
	struct fy_close close;
	int64_t due_at; /* when (ns) the lookout or a sample wants a look: the earlier one */
	struct fy_sample sample;
};

static inline struct fy_progress *fy_progress_of(const ferry *engine)
{
	return engine->progress;
}
