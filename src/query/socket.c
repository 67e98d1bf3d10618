/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name of a socket is short, and directories may have long ones. So all names go by the
 * descriptor of the directory, which /proc has a short name for.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "query/socket.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "monitor/directory.h"
#include "monitor/reader.h"

#define BACKLOG 8

bool fy_socket_name(const char *file, char *name, size_t nbytes)
{
	size_t length = strlen(file), tail = sizeof FY_MONITOR_SUFFIX - 1;
	if (length <= tail || strcmp(file + length - tail, FY_MONITOR_SUFFIX) != 0)
		return false;
	int n = snprintf(name, nbytes, "%.*s%s", (int)(length - tail), file, FY_MONITOR_SOCKET);
	return n > 0 && (size_t)n < nbytes;
}

static bool put_address(struct sockaddr_un *address, int directory, const char *file)
{
	char name[FY_MONITOR_FILE_NAME];
	if (!fy_socket_name(file, name, sizeof name))
		return false;
	address->sun_family = AF_UNIX;
	int n = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s",
	                 directory, name);
	return n > 0 && (size_t)n < sizeof address->sun_path;
}

/* Its mode is that of the name from the beginning. One of a process that had this number is in the
 * way. */
static bool bind_it(int fd, int directory, const char *file)
{
	struct sockaddr_un address = { 0 };
	if (!put_address(&address, directory, file)) {
		errno = ENAMETOOLONG;
		return false;
	}
	unlinkat(directory, strrchr(address.sun_path, '/') + 1, 0);
	return fchmod(fd, 0600) == 0 &&
	       bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
	       listen(fd, BACKLOG) == 0;
}

int fy_socket_listen(const struct fy_query_place *place, char why[FY_QUERY_WHY])
{
	int directory = fy_directory_open(place->path, false, why);
	if (directory < 0) {
		if (!why[0])
			snprintf(why, FY_QUERY_WHY, "%.150s is not there", place->path);
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || !bind_it(fd, directory, place->file)) {
		snprintf(why, FY_QUERY_WHY, "%.150s: %s", place->path, strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	close(directory);
	return fd;
}

void fy_socket_unlisten(const struct fy_query_place *place)
{
	char why[FY_QUERY_WHY] = "", name[FY_MONITOR_FILE_NAME];
	int directory = fy_directory_open(place->path, false, why);
	if (directory < 0)
		return;
	if (fy_socket_name(place->file, name, sizeof name))
		unlinkat(directory, name, 0);
	close(directory);
}

int fy_socket_connect(int directory, const char *file)
{
	struct sockaddr_un address = { 0 };
	if (!put_address(&address, directory, file)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}
