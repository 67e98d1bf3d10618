/* SPDX-License-Identifier: Apache-2.0 */
/* ferry_dump: any thread. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/fail.h"
#include "engine/portrait.h"
#include "watch/picture.h"
#include "watch/story.h"

#define PATIENCE FERRY_MS(100)
#define TEXT_BYTES 8192

static int write_all(int fd, const char *text, size_t nbytes)
{
	while (nbytes) {
		ssize_t written = write(fd, text, nbytes);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return fy_fail(FERRY_EINVAL, "ferry_dump cannot write to descriptor %d: %s",
			               fd, strerror(errno));
		text += written;
		nbytes -= (size_t)written;
	}
	return FERRY_OK;
}

int ferry_dump(ferry *engine, int fd)
{
	if (!engine || fd < 0)
		return fy_fail(FERRY_EINVAL, "ferry_dump needs an engine and a descriptor");
	struct fy_picture picture;
	int status = fy_portrait_take(engine, PATIENCE, &picture);
	if (status)
		return status;
	char text[TEXT_BYTES];
	int n = snprintf(text, sizeof text, "ferry: rank %d of %d, process %d\n", picture.rank,
	                 picture.size, picture.pid);
	size_t used = (size_t)n + fy_story_list(&picture, text + n, sizeof text - (size_t)n);
	return write_all(fd, text, used);
}
