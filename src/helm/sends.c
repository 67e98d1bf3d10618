/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a step: channels send what they have, and sends that MPI has are tested. Only the
 * holder of the helm may call.
 */
#include "helm/sends.h"

#include <stddef.h>

#include "base/order.h"
#include "helm/gone.h"
#include "helm/owed.h"
#include "helm/progress.h"
#include "helm/words.h"
#include "link/channel.h"

void fy_sends_all(struct fy_progress *p)
{
	struct fy_channel *ch = p->link.dirty;
	p->link.dirty = NULL;
	while (ch) {
		struct fy_channel *next = ch->dirty_next;
		ch->on_dirty = false;
		if (ch->control_owed)
			fy_owed_put(p, ch);
		if (!fy_channel_send(&p->link, ch) && !ch->gone)
			fy_channel_mark(&p->link, ch);
		ch = next;
	}
}

void fy_sends_test(struct fy_progress *p)
{
	if (fy_unlikely(p->link.broken))
		fy_gone_sweep(p);
	if (fy_unlikely(p->words.open))
		fy_words_step(p);
	if (!p->link.n_flying)
		return;
	fy_link_each (ch, &p->link) {
		if (ch->out.flight)
			fy_channel_test_flight(&p->link, ch);
		if (ch->out.unsent)
			fy_gone_unsent(p, ch);
	}
}
