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
	ck_stack_entry_t *entry = ck_stack_batch_pop_upmc(&p->engine->commands);
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
	*(p->commands_last ? &p->commands_last->next : &p->commands) = first;
	p->commands_last = last;
}

void fy_command_step(struct fy_progress *p)
{
	if (fy_load_relaxed_ptr(&p->engine->commands.head))
		collect_commands(p);
	struct fy_command *again = NULL, *again_last = NULL, *next;
	p->commands_press = false;
	for (struct fy_command *c = p->commands; c; c = next) {
		next = c->next;
		if (c->run(p, c)) {
			fy_store_release_32(&c->done, 1);
			/* c may be gone from here on: the word is only a key */
			fy_futex_wake(&c->done, 1, false);
			p->worked = true;
			continue;
		}
		c->next = NULL;
		*(again_last ? &again_last->next : &again) = c;
		again_last = c;
		p->commands_press |= !c->patient;
	}
	p->commands = again;
	p->commands_last = again_last;
}

void fy_command_fail_all(struct fy_progress *p, int status)
{
	while (p->commands) {
		struct fy_command *c = p->commands;
		p->commands = c->next;
		c->status = status;
		fy_store_release_32(&c->done, 1);
		fy_futex_wake(&c->done, 1, false);
	}
	p->commands_last = NULL;
}
