/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inquiry: an engine on which nothing has moved for stuck_after asks the whole job whether it
 * is stuck, as ferry-ask --why does, and tells if that is proved. On the helper. See inquiry.c.
 */
#pragma once

#include "ferry.h"

struct fy_inquiry;
struct fy_query;

/* From now on it looks how long nothing has moved. `query` lives longer. Of a thread that has
 * joined the helper. NULL: the option is off, the job is too large, or there is no memory: then the
 * engine does without. */
struct fy_inquiry *fy_inquiry_begin(ferry *engine, struct fy_query *query);
void fy_inquiry_end(struct fy_inquiry *inquiry);
