/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "options.h"

/* Take the files of dead engines away, and say which. Returns the exit status. */
int top_clean(const struct top_options *options);
