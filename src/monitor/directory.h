/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where monitor files are: a directory of the user's own, in memory or on a disk of this host. Any
 * thread. Functions that fail return -1 and put a sentence into `why`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define FY_DIRECTORY_PATH 256
#define FY_DIRECTORY_WHY 256
#define FY_DIRECTORY_DEFAULTS 3

/* The directory of new files. `option` NULL: the default. */
int fy_directory_choose(const char *option, char path[FY_DIRECTORY_PATH],
                        char why[FY_DIRECTORY_WHY]);
/* Where files may be if nobody said anything: what programs in and outside of a session of the user
 * choose. Returns how many; some may not exist. */
unsigned fy_directory_defaults(char paths[FY_DIRECTORY_DEFAULTS][FY_DIRECTORY_PATH]);

/* Is that file system, by the type that statfs tells, on a network? */
bool fy_directory_is_network(unsigned long type);
/* The descriptor of a directory that is as it has to be: the user's, closed to others, no link, and
 * not on a network. `make`: if it is not there, make it. Without it, -1 and an empty `why`: it is
 * not there. */
int fy_directory_open(const char *path, bool make, char why[FY_DIRECTORY_WHY]);
