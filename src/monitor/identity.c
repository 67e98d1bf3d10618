/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which process a monitor file belongs to. Numbers of processes are used again, so the time at
 * which the process started belongs to it; and they mean something only in one namespace of one
 * host.
 */
#include "monitor/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define STARTED_FIELD 22 /* of /proc/PID/stat */

/* Field 22. Fields are counted behind the name, which may contain anything. */
static uint64_t started_in(const char *stat_text)
{
	const char *at = strrchr(stat_text, ')');
	for (int field = 2; at && field < STARTED_FIELD; field++) {
		at = strchr(at, ' ');
		if (at)
			at++;
	}
	return at ? strtoull(at, NULL, 10) : 0;
}

/* 0: not known. */
static uint64_t started(int pid)
{
	char path[32], text[1024];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return started_in(text);
}

static uint64_t namespace_here(void)
{
	struct stat st;
	return stat("/proc/self/ns/pid", &st) ? 0 : (uint64_t)st.st_ino;
}

struct fy_monitor_process fy_identity_here(void)
{
	return (struct fy_monitor_process){
		.pid = getpid(),
		.uid = geteuid(),
		.pid_namespace = namespace_here(),
		.started = started(getpid()),
	};
}

void fy_identity_name(const struct fy_monitor_process *process, uint32_t engine, const char *suffix,
                      char *name, size_t nbytes)
{
	snprintf(name, nbytes, "%" PRId32 "-%" PRIu32 "-%" PRIx64 "%s", process->pid, engine,
	         process->pid_namespace, suffix);
}

bool fy_identity_of_name(const char *name, const char *suffix, struct fy_monitor_process *process)
{
	char *end;
	*process = (struct fy_monitor_process){ 0 };
	if (name[0] < '1' || name[0] > '9')
		return false;
	errno = 0;
	long pid = strtol(name, &end, 10);
	if (errno || pid > INT32_MAX || *end++ != '-')
		return false;
	strtoul(end, &end, 10);
	if (*end++ != '-')
		return false;
	process->pid = (int32_t)pid;
	process->pid_namespace = strtoull(end, &end, 16);
	return !strcmp(end, suffix);
}

enum fy_identity_life fy_identity_look(const struct fy_monitor_process *process)
{
	uint64_t here = namespace_here();
	if (!here || here != process->pid_namespace || process->pid <= 0)
		return FY_IDENTITY_UNKNOWN;
	if (kill(process->pid, 0) && errno == ESRCH)
		return FY_IDENTITY_GONE;
	uint64_t now = started(process->pid);
	if (!now || !process->started)
		return FY_IDENTITY_LIVES;
	return now == process->started ? FY_IDENTITY_LIVES : FY_IDENTITY_GONE;
}
