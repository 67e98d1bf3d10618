/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of received messages that goes back to a peer's credit when the program frees it. Any
 * thread that frees adds to it (fy_message_free); the helm takes it out (fy_credit_collect).
 */
#pragma once

#include <stdint.h>

#include "base/inbox.h"

/* One for each peer with which this rank has exchanged anything. Lives as long as the engine
 * struct. */
struct fy_account {
	uint64_t returned; /* bytes in total: atomic add by whoever frees, read by the helm */
	uint32_t dirty; /* 1 while on engine->inboxes.accounts: set by swap, cleared by the helm */
	int rank;       /* constant */
	uint64_t seen;  /* the helm's: how much of `returned` went back to the channel */
	fy_inbox_entry entry;
	struct fy_account *next; /* engine->account_list */
};
