/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands: what other threads ask the helm to do (ask.h), run by the step. Only the holder of the
 * helm may call.
 */
#include "helm/command.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/futex.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/order.h"
#include "helm/progress.h"
#include "shared/engine.h"

static void collect_commands(struct fy_progress *p)
{
	fy_inbox_each (entry, fy_inbox_take_in_order(&p->link.engine->inboxes.commands)) {
		struct fy_command *c = fy_container_of(entry, struct fy_command, entry);
		c->next = NULL;
		fy_list_append(p->commands.first, p->commands.last, c);
	}
}

void fy_command_step(struct fy_progress *p)
{
	if (fy_inbox_any(&p->link.engine->inboxes.commands))
		collect_commands(p);
	struct fy_command *again = NULL, *again_last = NULL, *next;
	p->commands.press = false;
	for (struct fy_command *c = p->commands.first; c; c = next) {
		next = c->next;
		if (c->run(p, c)) {
			fy_store_release_32(&c->done, 1);
			/* c may be freed from here on: the address of its word is only a key */
			fy_futex_wake(&c->done, 1, false);
			p->link.worked = true;
			continue;
		}
		c->next = NULL;
		fy_list_append(again, again_last, c);
		p->commands.press |= !c->patient;
	}
	p->commands.first = again;
	p->commands.last = again_last;
}

void fy_command_fail_all(struct fy_progress *p, int status)
{
	while (p->commands.first) {
		struct fy_command *c = p->commands.first;
		p->commands.first = c->next;
		c->status = status;
		fy_store_release_32(&c->done, 1);
		fy_futex_wake(&c->done, 1, false);
	}
	p->commands.last = NULL;
}
