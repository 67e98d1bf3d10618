/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket of an engine, on the helper: programs of the same user ask there how the engine is,
 * and how its whole job is. See server.c.
 */
#pragma once

#include <stdbool.h>

#include "ferry.h"
#include "query/socket.h"

struct fy_query;

/* Listen on the socket of that place, which lives as long as the engine. Of a thread that has
 * joined the helper. NULL: there is no socket, and the engine does without; `why` says the
 * reason. */
struct fy_query *fy_server_open(ferry *engine, const struct fy_query_place *place,
                                char why[FY_QUERY_WHY]);
/* A client of this process, by the other end of that socket, which is the server's from now on. On
 * the helper. False: it has no room for one more, and the descriptor is closed. */
bool fy_server_take(struct fy_query *query, int fd);
/* The engine's loop has ended, or will: nobody is answered any more, and the name is removed. */
void fy_server_stop(struct fy_query *query);
/* The engine has ended: it has let go of commands. */
void fy_server_free(struct fy_query *query);
/* Where the engine's monitor file is. False: it has none. With the helm, or before the loop
 * begins. */
bool fy_server_place(const ferry *engine, struct fy_query_place *place);
/* From now on the engine reports to other ranks on itself, and on those of its host that are
 * silent. With the helm, or before the loop begins. `place` lives as long as the engine. */
void fy_server_report(ferry *engine, const struct fy_query_place *place);
