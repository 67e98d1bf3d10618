/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct fy_handler;

/* A handler was taken away: return when it neither runs nor will run. Lets go of it. */
void fy_handle_await_idle(struct fy_handler *old);
