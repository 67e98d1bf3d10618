/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A monitor file is there as a whole or not at all: it is made under another name, its blocks are
 * allocated, it is mapped and locked, and gets its name at last. Blocks are allocated first because
 * a store to a page that a full file system has no block for is a signal.
 *
 * No descriptor stays open. The mapping keeps the lock (lock.h); a child of a fork does not get the
 * mapping, so that the lock ends with this process. Whatever needs the file later opens it by its
 * name, and looks whether it is the same one.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "monitor/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "monitor/identity.h"
#include "monitor/layout.h"
#include "monitor/lock.h"
#include "monitor/reader.h"

#define NEW_FLAGS (O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)

static int allocate(int fd, size_t nbytes)
{
	int failed;
	do
		failed = posix_fallocate(fd, 0, (off_t)nbytes);
	while (failed == EINTR);
	errno = failed;
	return failed ? -1 : 0;
}

/* At the address `at`, if it is not NULL. */
static void *map(int fd, void *at, size_t room)
{
	void *there =
		mmap(at, room, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0), fd, 0);
	if (there == MAP_FAILED)
		return NULL;
	madvise(there, room, MADV_DONTFORK);
	return there;
}

/* Take the identity of the file that was made. */
static int identify(struct fy_file *file, int fd)
{
	struct stat st;
	if (fstat(fd, &st))
		return -1;
	file->inode = st.st_ino;
	file->device = st.st_dev;
	return 0;
}

/* Allocate, fill, map and lock the file. It has the bytes of `from`. */
static int fill(struct fy_file *file, int fd, const void *from, size_t nbytes, size_t all)
{
	if (allocate(fd, all) || identify(file, fd))
		return -1;
	if (pwrite(fd, from, nbytes, 0) != (ssize_t)nbytes)
		return -1;
	if (!fy_lock_take(fd))
		return -1;
	void *there = map(fd, file->head, file->room);
	if (!there)
		return -1;
	file->head = there;
	return 0;
}

/* A process of this number that is dead may have left one behind. */
static int open_new(int place, const char *name)
{
	int fd = openat(place, name, NEW_FLAGS, 0600);
	if (fd >= 0 || errno != EEXIST)
		return fd;
	unlinkat(place, name, 0);
	return openat(place, name, NEW_FLAGS, 0600);
}

/* `all` bytes, of which the first `nbytes` are those of `from`. */
static int make_at(struct fy_file *file, int place, const void *from, size_t nbytes, size_t all)
{
	char draft[FY_FILE_NAME + sizeof FY_IDENTITY_TEMPORARY];
	snprintf(draft, sizeof draft, "%s%s", file->name, FY_IDENTITY_TEMPORARY);
	int fd = open_new(place, draft);
	if (fd < 0)
		return -1;
	int failed = fill(file, fd, from, nbytes, all);
	if (!failed)
		failed = renameat(place, draft, place, file->name);
	int why = errno;
	close(fd);
	if (failed)
		unlinkat(place, draft, 0);
	errno = why;
	return failed;
}

static int make(struct fy_file *file, const void *from, size_t nbytes, size_t all,
                char why[FY_DIRECTORY_WHY])
{
	int place = fy_directory_open(file->path, true, why);
	if (place < 0)
		return -1;
	int failed = make_at(file, place, from, nbytes, all);
	if (failed)
		snprintf(why, FY_DIRECTORY_WHY, "%.120s/%.60s: %s", file->path, file->name,
		         strerror(errno));
	close(place);
	return failed;
}

int fy_file_make(struct fy_file *file, const char *directory, const struct fy_monitor_head *head,
                 size_t room, char why[FY_DIRECTORY_WHY])
{
	*file = (struct fy_file){ .room = room };
	fy_identity_name(&head->process, head->engine, FY_MONITOR_SUFFIX, file->name,
	                 sizeof file->name);
	if (fy_directory_choose(directory, file->path, why) ||
	    make(file, head, sizeof *head, FY_MONITOR_BYTES, why)) {
		fy_file_remove(file);
		return -1;
	}
	file->head->now.file_bytes = FY_MONITOR_BYTES;
	fy_layout_name(file->head);
	return 0;
}

/* ---- while it is there --------------------------------------------------------------------- */

static bool is_same(const struct fy_file *file, const struct stat *st)
{
	return st->st_ino == file->inode && st->st_dev == file->device;
}

/* The descriptor of the file, if that is still the one with its name. */
static int open_again(const struct fy_file *file)
{
	char why[FY_DIRECTORY_WHY];
	struct stat st;
	int place = fy_directory_open(file->path, false, why);
	if (place < 0)
		return -1;
	int fd = openat(place, file->name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	close(place);
	if (fd < 0 || (!fstat(fd, &st) && is_same(file, &st)))
		return fd;
	close(fd);
	return -1;
}

bool fy_file_grow(struct fy_file *file, size_t nbytes)
{
	if (nbytes > file->room)
		return false;
	int fd = open_again(file);
	if (fd < 0)
		return false;
	int failed = allocate(fd, nbytes);
	close(fd);
	if (!failed)
		file->head->now.file_bytes = nbytes;
	return !failed;
}

bool fy_file_keep(struct fy_file *file)
{
	char why[FY_DIRECTORY_WHY], path[FY_DIRECTORY_PATH + FY_FILE_NAME];
	struct stat st;
	snprintf(path, sizeof path, "%s/%s", file->path, file->name);
	if (!lstat(path, &st) && is_same(file, &st))
		return true;
	size_t nbytes = (size_t)file->head->now.file_bytes;
	return make(file, file->head, nbytes, nbytes, why) == 0;
}

void fy_file_remove(struct fy_file *file)
{
	char why[FY_DIRECTORY_WHY];
	struct stat st;
	int place = file->head ? fy_directory_open(file->path, false, why) : -1;
	if (place >= 0 && !fstatat(place, file->name, &st, AT_SYMLINK_NOFOLLOW) &&
	    is_same(file, &st))
		unlinkat(place, file->name, 0);
	if (place >= 0)
		close(place);
	if (file->head)
		munmap(file->head, file->room);
	file->head = NULL;
}
