/* SPDX-License-Identifier: Apache-2.0 */
/* What this process knows of a rank, as its answer. */
#pragma once

#include <stddef.h>

struct fy_answer;
struct fy_progress;
struct fy_query_place;

/* What the engine's own file says. Any thread. */
void fy_tell_self(const struct fy_query_place *place, int rank, int size, struct fy_answer *answer);
/* The `write` of questions: the answer of this rank, or of one of its host, by its file. With the
 * helm. */
size_t fy_tell_report(struct fy_progress *p, int rank, void *room, size_t max);
