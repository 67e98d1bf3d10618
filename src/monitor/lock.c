/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lock of the open file description. Locks of the process would not do: it loses them when any of
 * its threads closes any descriptor of the file, and an engine of the same process that looks
 * whether the file is free would be told that it is.
 *
 * The description lives as long as a mapping that was made through it. So the writer needs no
 * descriptor, which the program could close, or a child inherit.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "monitor/lock.h"

#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

static struct flock whole(void)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
}

bool fy_lock_take(int fd)
{
	struct flock lock = whole();
	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

bool fy_lock_is_held(int fd)
{
	struct flock lock = whole();
	return fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}
