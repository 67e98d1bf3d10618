/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_ASK_H
#define FY_HELM_ASK_H

#include <stdbool.h>
#include <stddef.h>

#include "ferry.h"

struct fy_command;

/* Have the helm run a command, and wait for it. In inline code it runs at once. */
int fy_ask_and_wait(ferry *engine, struct fy_command *command);
/* Hand a command over without waiting for it. It must stay valid until it is done, or the engine is
 * closed. */
void fy_ask_begin(ferry *engine, struct fy_command *command);
/* For an inline handler that answers its request, a view: put a small reply straight into the
 * batch. False: not possible now. */
bool fy_ask_reply_in_place(ferry_message *view, const void *body, size_t nbytes);

#endif
