/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process manager's own barrier, which makes no progress in MPI. It needs hydra's socket. Only
 * the thread that finalizes MPI.
 */
#include "mpi/pmi.h"

#include <errno.h>
#include <mpi.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "ferry.h"
#include "base/clock.h"

#define PMI_WAIT FERRY_S(30)

/* Hydra's socket, if hydra speaks the first version of the protocol; else -1. */
static int pmi_socket(void)
{
	static char version[MPI_MAX_LIBRARY_VERSION_STRING];
	const char *fd = getenv("PMI_FD");
	int length;
	if (fd == NULL || getenv("HYDI_CONTROL_FD") == NULL)
		return -1;
	if (MPI_Get_library_version(version, &length) != MPI_SUCCESS ||
	    strstr(version, "MPICH Version") == NULL || strstr(version, "pmi2") != NULL ||
	    strstr(version, "pmix") != NULL)
		return -1;
	return atoi(fd);
}

static bool write_all(int fd, const char *text, size_t nbytes)
{
	while (nbytes > 0) {
		ssize_t n = write(fd, text, nbytes);
		if (n < 0 && errno != EINTR)
			return false;
		text += n > 0 ? n : 0;
		nbytes -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static bool read_byte(int fd, char *byte, int64_t until)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	for (;;) {
		int64_t left = until - fy_clock_now();
		int ready = poll(&wait, 1, left > 0 ? (int)(left / FERRY_MS(1)) + 1 : 0);
		ssize_t n = ready > 0 ? read(fd, byte, 1) : -1;
		if (n >= 0 || ready == 0 || errno != EINTR)
			return n == 1;
	}
}

/* Gather all ranks by their process manager. False: they were not gathered. */
bool fy_mpi_pmi_barrier(void)
{
	static const char in[] = "cmd=barrier_in\n", out[] = "cmd=barrier_out";
	int64_t until = fy_clock_now() + PMI_WAIT;
	char answer[64] = "";
	size_t length = 0;
	int fd = pmi_socket();
	if (fd < 0 || !write_all(fd, in, sizeof in - 1))
		return false;
	while (length < sizeof answer - 1) {
		if (!read_byte(fd, answer + length, until))
			return false;
		if (answer[length++] == '\n')
			break;
	}
	return strncmp(answer, out, sizeof out - 1) == 0;
}
