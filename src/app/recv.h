/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "ferry.h"

/* ferry_recv and ferry_post_message for the library's own ops. */
int fy_recv(ferry *engine, int source, uint32_t op, int64_t timeout, ferry_message **message_p);
