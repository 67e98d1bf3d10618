/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing what dead processes left behind. The last file of a dead process is what tells why it
 * died, so it stays for a while; but they must not fill memory.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "monitor/sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "monitor/directory.h"
#include "monitor/identity.h"
#include "monitor/reader.h"

#define KEPT_S 600 /* after the last sample */
#define KEPT 64u   /* files */

/* Files that were being made when their process died. */
static unsigned remove_drafts(int place)
{
	unsigned n = 0;
	int fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fd < 0 ? NULL : fdopendir(fd);
	if (!names) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	for (struct dirent *entry; (entry = readdir(names));) {
		struct fy_monitor_process process;
		if (fy_identity_of_name(entry->d_name, FY_MONITOR_SUFFIX FY_IDENTITY_TEMPORARY,
		                        &process) &&
		    fy_identity_look(&process) == FY_IDENTITY_GONE)
			n += unlinkat(place, entry->d_name, 0) == 0;
	}
	closedir(names);
	return n;
}

/* When (s since 1970) it was last written to. Of a file that cannot be read: when it was made. */
static int64_t written_at(const struct fy_monitor_list *list, const struct fy_monitor_copy *copy,
                          const char *name)
{
	struct stat st;
	if (copy->head && copy->head->now.sampled_wall)
		return copy->head->now.sampled_wall / 1000000000;
	return fstatat(list->places[0], name, &st, AT_SYMLINK_NOFOLLOW) ? INT64_MAX : st.st_mtime;
}

/* Remove it if it is dead and was last written to before `before`. */
static bool remove_old(const struct fy_monitor_list *list, const char *name, int64_t before)
{
	struct fy_monitor_copy copy;
	char why[FY_MONITOR_WHY];
	bool lives = !fy_monitor_read(list, name, &copy, why) && copy.life != FY_MONITOR_DEAD;
	bool old = written_at(list, &copy, name) < before;
	fy_monitor_copy_free(&copy);
	return !lives && old && fy_monitor_clean(list, name, why) > 0;
}

/* If more are left then, all but those of living processes go. */
static unsigned remove_dead(const struct fy_monitor_list *list)
{
	unsigned n = 0;
	for (unsigned i = 0; i < list->n; i++)
		n += remove_old(list, list->names[i], time(NULL) - KEPT_S);
	for (unsigned i = 0; list->n - n > KEPT && i < list->n; i++)
		n += remove_old(list, list->names[i], INT64_MAX);
	return n;
}

unsigned fy_sweep(const char *directory)
{
	char path[FY_DIRECTORY_PATH], why[FY_MONITOR_WHY];
	struct fy_monitor_list list;
	if (fy_directory_choose(directory, path, why) || fy_monitor_list(path, &list, why))
		return 0;
	unsigned n = 0;
	if (list.n_places)
		n = remove_dead(&list) + remove_drafts(list.places[0]);
	fy_monitor_list_free(&list);
	return n;
}
