/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "ferry.h"

struct fy_handler;
struct fy_progress;

/* The body of a message that tells the program that its source is gone. */
struct fy_note {
	int32_t status;
	char why[]; /* ends with a zero byte */
};

/* From now on the program is told, of those before as well. */
void fy_notes_begin(struct fy_progress *p);
void fy_notes_step(struct fy_progress *p);
