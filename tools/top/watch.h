/* SPDX-License-Identifier: Apache-2.0 */
/* The screen that refreshes, and listens to keys. */
#pragma once

#include "host.h"
#include "options.h"

/* Until somebody ends it. Returns the exit status. */
int top_watch(const struct top_options *options);
