/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of received messages that goes back to a peer's credit. Raised by whoever frees,
 * subtracted by the helm.
 */
#ifndef FY_SHARED_ACCOUNT_H
#define FY_SHARED_ACCOUNT_H

#include <stdint.h>

#include "base/inbox.h"

/* Memory of received messages that goes back to a peer's credit when the
 * program frees it. One a peer that was ever talked to; lives as long as the engine struct. */
struct fy_account {
	uint64_t returned; /* bytes: atomic add by whoever frees, read by the helm */
	uint32_t dirty; /* 1 while on engine->inboxes.accounts: set by swap, cleared by the helm */
	int rank;       /* constant */
	uint64_t seen;  /* the helm's: as far as it was given back to the channel */
	fy_inbox_entry entry;
	struct fy_account *next; /* engine->account_list */
};

#endif
