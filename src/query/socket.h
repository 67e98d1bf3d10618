/* SPDX-License-Identifier: Apache-2.0 */
/* Where the socket of an engine is: beside its monitor file, with another end of the name. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define FY_QUERY_WHY 256

/* Of an engine of this process. */
struct fy_query_place {
	char path[256]; /* the directory of the monitor files; "": there are none */
	char file[64];  /* this engine's */
};

/* The socket beside that file. False: the file has no such name. */
bool fy_socket_name(const char *file, char *name, size_t nbytes);
/* A socket that listens there, for the user alone. -1: none, and `why` says the reason. */
int fy_socket_listen(const struct fy_query_place *place, char why[FY_QUERY_WHY]);
/* Remove its name. */
void fy_socket_unlisten(const struct fy_query_place *place);
/* A connection to the socket beside `file` in that directory, which does not block. -1: errno. */
int fy_socket_connect(int directory, const char *file);
