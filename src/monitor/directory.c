/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of monitor files. What is in it tells much of a program, so nobody else may read
 * it. And nobody else may be able to put a link there, so that something else is written.
 *
 * A network file system is refused: each store to the mapped file would end up on the wire, and
 * locks of another host prove nothing here.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "monitor/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <unistd.h>

/* By what statfs(2) calls their types. FUSE may be anything. */
static const unsigned long networks[] = {
	0x6969,     /* NFS */
	0x517B,     /* SMB */
	0xFE534D42, /* SMB2 */
	0xFF534D42, /* CIFS */
	0x0BD00BD0, /* Lustre */
	0x47504653, /* GPFS */
	0x19830326, /* BeeGFS */
	0x00C36400, /* Ceph */
	0x5346414F, /* AFS */
	0x6B414653, /* kAFS */
	0x73757245, /* Coda */
	0x01021997, /* 9P */
	0x65735546, /* FUSE */
	0x7461636F, /* OCFS2 */
	0x01161970, /* GFS2 */
	0x20030528, /* OrangeFS */
	0xAAD7AAEA, /* PanFS */
	0x564C,     /* NCP */
};

bool fy_directory_is_network(unsigned long type)
{
	for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++)
		if ((type & 0xFFFFFFFFul) == networks[i])
			return true;
	return false;
}

static int put_path(char path[FY_DIRECTORY_PATH], const char *format, const char *of)
{
	int n = snprintf(path, FY_DIRECTORY_PATH, format, of, (unsigned)geteuid());
	return n < 0 || n >= FY_DIRECTORY_PATH ? -1 : 0;
}

/* The run-time directory of the user's session, if there is one. */
static const char *session(void)
{
	const char *path = getenv("XDG_RUNTIME_DIR");
	struct stat st;
	bool ok = path && path[0] == '/' && !stat(path, &st) && S_ISDIR(st.st_mode) &&
	          st.st_uid == geteuid();
	return ok ? path : NULL;
}

int fy_directory_choose(const char *option, char path[FY_DIRECTORY_PATH],
                        char why[FY_DIRECTORY_WHY])
{
	const char *in = option ? NULL : session();
	int failed;
	if (option)
		failed = option[0] ? put_path(path, "%s", option) : -1;
	else if (in)
		failed = put_path(path, "%s/ferry", in);
	else
		failed = put_path(path, "%s/ferry-%u", "/dev/shm");
	if (failed)
		snprintf(why, FY_DIRECTORY_WHY, "its name has to have 1 to %d bytes",
		         FY_DIRECTORY_PATH - 1);
	return failed;
}

unsigned fy_directory_defaults(char paths[FY_DIRECTORY_DEFAULTS][FY_DIRECTORY_PATH])
{
	const char *in = session();
	unsigned n = 0;
	if (in && !put_path(paths[n], "%s/ferry", in))
		n++;
	put_path(paths[n], "%s/%u/ferry", "/run/user");
	if (!n || strcmp(paths[0], paths[n]) != 0)
		n++;
	put_path(paths[n++], "%s/ferry-%u", "/dev/shm");
	return n;
}

/* What is wrong with it, or NULL. Who reads may be root, and look into anybody's. */
static const char *fault_of(int fd, bool writes)
{
	struct stat st;
	struct statfs fs;
	if (fstat(fd, &st) || fstatfs(fd, &fs))
		return "the system says nothing about it";
	if (st.st_uid != geteuid() && (writes || geteuid()))
		return "it belongs to another user";
	if (st.st_mode & 077)
		return "others may use it: chmod 700 makes it the user's alone";
	if (fy_directory_is_network((unsigned long)fs.f_type))
		return "it is on a network file system: name one in memory or on a disk of this "
		       "host";
	return NULL;
}

static void say(char why[FY_DIRECTORY_WHY], const char *path, const char *what)
{
	snprintf(why, FY_DIRECTORY_WHY, "%.150s: %s", path, what);
}

static int open_it(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int fy_directory_open(const char *path, bool make, char why[FY_DIRECTORY_WHY])
{
	why[0] = '\0';
	int fd = open_it(path);
	if (fd < 0 && errno == ENOENT && make) {
		if (mkdir(path, 0700) && errno != EEXIST) {
			say(why, path, strerror(errno));
			return -1;
		}
		fd = open_it(path);
	}
	if (fd < 0) {
		bool link = errno == ELOOP || errno == ENOTDIR;
		if (errno != ENOENT || make)
			say(why, path, link ? "it is a link, or no directory" : strerror(errno));
		return -1;
	}
	const char *fault = fault_of(fd, make);
	if (!fault)
		return fd;
	say(why, path, fault);
	close(fd);
	return -1;
}
