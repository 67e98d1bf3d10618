/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ferry.h"
#include "helm/command.h"

/* Have the helm run a command, and wait for it. In inline code it runs at once. */
int fy_ask(ferry *engine, fy_command_fn *run, void *arg);
/* Hand a command over without waiting for it. It must stay valid until it is done, or the engine is
 * closed. */
void fy_ask_begin(ferry *engine, struct fy_command *command);
/* The counters that the helm keeps: as they are, or, if it does not come soon, as it showed them
 * last. Inside of the engine, or in inline code. */
void fy_ask_stats(ferry *engine, ferry_stats *stats);
/* For an inline handler that answers its request, a view: put a small reply straight into the
 * batch. False: not possible now. */
bool fy_ask_reply_in_place(ferry_message *view, const void *body, size_t nbytes);
