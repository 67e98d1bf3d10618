/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The share of the processors that control groups leave to this process: a container may show 64
 * processors and grant the time of one. The least of all groups above the process counts. Inside a
 * container the path of the process's own group may lead nowhere; its root then has the limit.
 *
 *     version 2   ROOT/PATH/cpu.max: "150000 100000", or "max 100000"
 *     version 1   ROOT/cpu/PATH/cpu.cfs_quota_us: "150000", or "-1"; and cpu.cfs_period_us
 */
#include "base/quota.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 1024

static bool read_line(const char *directory, const char *name, char *line, int nbytes)
{
	char path[PATH_BYTES];
	if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, name) >= sizeof path)
		return false;
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	bool read = fgets(line, nbytes, file) != NULL;
	fclose(file);
	return read;
}

static int processors(long long quota, long long period)
{
	if (quota <= 0 || period <= 0 || quota / period >= FY_QUOTA_NONE)
		return FY_QUOTA_NONE;
	return quota < period ? 1 : (int)(quota / period);
}

static int granted_by(const char *directory)
{
	char line[64], period[64], *end;
	if (read_line(directory, "cpu.max", line, sizeof line)) {
		long long quota = strtoll(line, &end, 10); /* 0 for max */
		return processors(quota, strtoll(end, NULL, 10));
	}
	if (read_line(directory, "cpu.cfs_quota_us", line, sizeof line) &&
	    read_line(directory, "cpu.cfs_period_us", period, sizeof period))
		return processors(strtoll(line, NULL, 10), strtoll(period, NULL, 10));
	return FY_QUOTA_NONE;
}

/* The least of ROOT/PATH and all that is above it, ROOT included. */
static int granted_up_from(const char *root, const char *path)
{
	char directory[PATH_BYTES];
	int least = FY_QUOTA_NONE;
	int length = snprintf(directory, sizeof directory, "%s%s", root, path);
	size_t shortest = strlen(root);
	if (length < 0 || (size_t)length >= sizeof directory)
		return granted_by(root);
	for (char *end = directory + length; end; end = strrchr(directory, '/')) {
		*end = '\0';
		if (strlen(directory) < shortest)
			break;
		int here = granted_by(directory);
		least = here < least ? here : least;
	}
	return least;
}

/* A line is NUMBER:CONTROLLERS:PATH, without controllers in version 2. */
static int granted_by_line(char *line, const char *root)
{
	char *controllers = strchr(line, ':'), *path;
	if (!controllers || !(path = strchr(++controllers, ':')))
		return FY_QUOTA_NONE;
	*path++ = '\0';
	path[strcspn(path, "\n")] = '\0';
	char directory[PATH_BYTES];
	if (!*controllers)
		return granted_up_from(root, path);
	if (strncmp(controllers, "cpu", 3) != 0 || (controllers[3] && controllers[3] != ','))
		return FY_QUOTA_NONE;
	snprintf(directory, sizeof directory, "%s/cpu", root);
	return granted_up_from(directory, path);
}

int fy_quota_in(const char *groups, const char *root)
{
	char line[PATH_BYTES];
	int least = FY_QUOTA_NONE;
	FILE *file = fopen(groups, "re");
	if (!file)
		return least;
	while (fgets(line, sizeof line, file)) {
		int granted = granted_by_line(line, root);
		least = granted < least ? granted : least;
	}
	fclose(file);
	return least;
}

int fy_quota(void)
{
	return fy_quota_in("/proc/self/cgroup", "/sys/fs/cgroup");
}
