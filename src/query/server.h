/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket of an engine, on the helper: programs of the same user ask there how the engine is, and
 * how its whole job is. See server.c.
 */
#pragma once

#include "ferry.h"
#include "query/place.h"

struct fy_query;
struct fy_question_heard;

/* Listen on the socket of that place, which lives as long as the engine. Of a thread that has joined
 * the helper. NULL: there is no socket, and the engine does without; `why` says the reason. */
struct fy_query *fy_query_open(ferry *engine, const struct fy_query_place *place,
                               char why[FY_QUERY_WHY]);
/* The engine's loop has ended, or will: nobody is answered any more, and the name is removed. */
void fy_query_stop(struct fy_query *query);
/* The engine has ended: it has let go of commands. */
void fy_query_free(struct fy_query *query);
/* The `heard` of questions: a report has come for the query `arg`. With the helm. */
void fy_query_hear(void *arg, const struct fy_question_heard *heard);
