/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What threads of the program count for a peer. Memory of received messages that goes back to its
 * credit when the program frees it: any thread that frees adds to it (fy_message_free); the helm
 * takes it out (fy_credit_collect). And messages that executors have handled (fy_handler_run).
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
	/* messages of the peer whose handlers returned on executors, by colour: atomic add by their
	 * threads, before engine->told.handled_elsewhere; read by the helm behind that one */
	uint64_t handled[2];
	uint64_t seen; /* the helm's: how much of `returned` went back to the channel */
	fy_inbox_entry entry;
	struct fy_account *next; /* engine->account_list */
};
