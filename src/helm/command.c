/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands: what other threads ask the helm to do (ask.h), run by the step. Called by the holder
 * of the helm alone.
 */
#include "helm/command.h"

#include <ck_stack.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/futex.h"
#include "base/order.h"
#include "helm/progress.h"
#include "shared/engine.h"

static void collect_commands(struct fy_progress *p)
{
	ck_stack_entry_t *entry = ck_stack_batch_pop_upmc(&p->link.engine->commands);
	struct fy_command *first = NULL, *last = NULL;
	while (entry) {
		struct fy_command *c =
			(struct fy_command *)(void *)((char *)entry -
		                                      offsetof(struct fy_command, entry));
		entry = CK_STACK_NEXT(entry);
		c->next = first;
		first = c;
		last = last ? last : c;
	}
	if (!first)
		return;
	*(p->commands.last ? &p->commands.last->next : &p->commands.first) = first;
	p->commands.last = last;
}

void fy_command_step(struct fy_progress *p)
{
	if (fy_load_relaxed_ptr(&p->link.engine->commands.head))
		collect_commands(p);
	struct fy_command *again = NULL, *again_last = NULL, *next;
	p->commands.press = false;
	for (struct fy_command *c = p->commands.first; c; c = next) {
		next = c->next;
		if (c->run(p, c)) {
			fy_store_release_32(&c->done, 1);
			/* c may be gone from here on: the word is only a key */
			fy_futex_wake(&c->done, 1, false);
			p->link.worked = true;
			continue;
		}
		c->next = NULL;
		*(again_last ? &again_last->next : &again) = c;
		again_last = c;
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
