/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading monitor files. A file is copied with read, and not mapped: somebody may truncate it, and
 * then a load of mapped memory would be a signal. A copy that the writer changed meanwhile is made
 * again. If that goes on the copy is used, and is said to be torn: the writer has died, or is
 * stopped, in the middle of a sample.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "monitor/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "monitor/directory.h"
#include "monitor/identity.h"
#include "monitor/lock.h"

#define TRIES 50
#define PAUSE_NS 200000 /* between two tries; a sample is written in less */

/* ---- directories --------------------------------------------------------------------------- */

static bool has_suffix(const char *name, const char *suffix)
{
	size_t length = strlen(name), tail = strlen(suffix);
	return length > tail && length < FY_MONITOR_FILE_NAME &&
	       !strcmp(name + length - tail, suffix);
}

static int add_name(struct fy_monitor_list *list, const char *name)
{
	if ((list->n & (list->n - 1)) == 0) {
		size_t room = list->n ? 2 * (size_t)list->n : 1;
		void *names = realloc(list->names, room * sizeof *list->names);
		if (!names)
			return -1;
		list->names = names;
	}
	memcpy(list->names[list->n++], name, strlen(name) + 1); /* add_names has looked */
	return 0;
}

static int add_names(struct fy_monitor_list *list, int place)
{
	int fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), status = 0;
	DIR *names = fd < 0 ? NULL : fdopendir(fd);
	if (!names) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	for (struct dirent *entry; !status && (entry = readdir(names));)
		if (entry->d_name[0] != '.' && has_suffix(entry->d_name, FY_MONITOR_SUFFIX))
			status = add_name(list, entry->d_name);
	closedir(names);
	return status;
}

static int add_place(struct fy_monitor_list *list, const char *path, char why[FY_MONITOR_WHY])
{
	int fd = fy_directory_open(path, false, why);
	if (fd < 0)
		return why[0] ? -1 : 0;
	list->places[list->n_places++] = fd;
	if (!add_names(list, fd))
		return 0;
	snprintf(why, FY_MONITOR_WHY, "%.150s: %s", path, strerror(errno));
	return -1;
}

/* Of several that are looked through unasked one may be somebody else's. */
static void add_defaults(struct fy_monitor_list *list)
{
	char paths[FY_DIRECTORY_DEFAULTS][FY_DIRECTORY_PATH], why[FY_MONITOR_WHY];
	unsigned n = fy_directory_defaults(paths);
	for (unsigned i = 0; i < n; i++)
		add_place(list, paths[i], why);
}

static int compare(const void *a, const void *b)
{
	return strverscmp(a, b);
}

int fy_monitor_list(const char *directory, struct fy_monitor_list *list, char why[FY_MONITOR_WHY])
{
	*list = (struct fy_monitor_list){ 0 };
	why[0] = '\0';
	if (!directory)
		directory = getenv("FERRY_MONITOR");
	int status = 0;
	if (directory && directory[0] && strcmp(directory, "none") != 0)
		status = add_place(list, directory, why);
	else
		add_defaults(list);
	if (status)
		fy_monitor_list_free(list);
	else if (list->n)
		qsort(list->names, list->n, sizeof *list->names, compare);
	return status;
}

void fy_monitor_list_free(struct fy_monitor_list *list)
{
	for (unsigned i = 0; i < list->n_places; i++)
		close(list->places[i]);
	free(list->names);
	*list = (struct fy_monitor_list){ 0 };
}

/* Returns a descriptor, and the directory. */
static int open_file(const struct fy_monitor_list *list, const char *name, int flags, int *place_p)
{
	int fd = -1;
	errno = ENOENT;
	for (unsigned i = 0; i < list->n_places && fd < 0; i++) {
		*place_p = list->places[i];
		fd = openat(*place_p, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	}
	return fd;
}

/* ---- a copy -------------------------------------------------------------------------------- */

static ssize_t read_at(int fd, void *to, size_t nbytes, size_t offset)
{
	size_t done = 0;
	while (done < nbytes) {
		ssize_t n = pread(fd, (char *)to + done, nbytes - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -1 : (ssize_t)done;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static bool unchanged(int fd, size_t at, uint32_t seq)
{
	uint32_t now;
	return !(seq & 1) && read_at(fd, &now, sizeof now, at) == sizeof now && now == seq;
}

/* The offset of the text in the file, or 0. */
static size_t text_at(const struct fy_monitor_copy *copy)
{
	for (unsigned i = 0; i < copy->head->n_sections && i < FY_MONITOR_SECTIONS; i++) {
		const struct fy_monitor_section *s = &copy->head->sections[i];
		if (s->kind == FY_MONITOR_TEXT &&
		    (uint64_t)s->offset + sizeof(struct fy_monitor_text) <= copy->nbytes)
			return s->offset;
	}
	return 0;
}

/* How much of a file of that length has been set so far is in its head. -1: it shrank. */
static int copy_once(int fd, struct fy_monitor_copy *copy)
{
	struct fy_monitor_head *head = copy->head;
	uint32_t before;
	size_t at = offsetof(struct fy_monitor_head, now.seq);
	if (read_at(fd, &before, sizeof before, at) != sizeof before)
		return -1;
	ssize_t n = read_at(fd, head, copy->nbytes, 0);
	if (n < (ssize_t)sizeof *head)
		return -1;
	copy->nbytes = (size_t)n;
	copy->torn = head->now.seq != before || !unchanged(fd, at, before);
	size_t text = text_at(copy);
	if (text) {
		uint32_t seq;
		memcpy(&seq, (const char *)head + text, sizeof seq);
		copy->text_torn = !unchanged(fd, text, seq);
	}
	return 0;
}

static int copy_all(int fd, struct fy_monitor_copy *copy)
{
	static const struct timespec pause = { .tv_nsec = PAUSE_NS };
	int status = copy_once(fd, copy);
	for (int i = 0; !status && (copy->torn || copy->text_torn) && i < TRIES; i++) {
		nanosleep(&pause, NULL);
		status = copy_once(fd, copy);
	}
	return status;
}

/* ---- what is believed of it ---------------------------------------------------------------- */

static const char *fault_of_head(const struct fy_monitor_head *head)
{
	if (memcmp(head->magic, FY_MONITOR_MAGIC, sizeof head->magic) != 0)
		return "it is no monitor file";
	if (head->order != FY_MONITOR_ORDER)
		return "it is of a machine with another order of bytes";
	if (head->layout != FY_MONITOR_LAYOUT || head->head_bytes != sizeof *head ||
	    head->n_sections > FY_MONITOR_SECTIONS)
		return "it has another layout than this program reads: use the tools of its "
		       "version";
	return NULL;
}

static bool is_section_sound(const struct fy_monitor_section *s, size_t nbytes)
{
	return s->entry_bytes && s->offset % 8 == 0 && s->offset <= nbytes;
}

/* Entries that are not in the copy are left out. */
static void cut_section(struct fy_monitor_section *s, size_t nbytes)
{
	if (!is_section_sound(s, nbytes)) {
		*s = (struct fy_monitor_section){ 0 };
		return;
	}
	uint64_t room = (nbytes - s->offset) / s->entry_bytes;
	if (s->count <= room)
		return;
	s->left_out += s->count - room;
	s->count = (uint32_t)room;
}

static void end_texts(struct fy_monitor_head *head)
{
	head->host[sizeof head->host - 1] = '\0';
	head->program[sizeof head->program - 1] = '\0';
	head->version[sizeof head->version - 1] = '\0';
	head->network[sizeof head->network - 1] = '\0';
}

static const char *check(struct fy_monitor_copy *copy)
{
	const char *fault = fault_of_head(copy->head);
	if (fault)
		return fault;
	end_texts(copy->head);
	for (unsigned i = 0; i < copy->head->n_sections; i++)
		cut_section(&copy->head->sections[i], copy->nbytes);
	return NULL;
}

static enum fy_monitor_life life_of(int fd, const struct fy_monitor_head *head)
{
	if (!fy_lock_is_held(fd))
		return FY_MONITOR_DEAD;
	enum fy_identity_life life = fy_identity_look(&head->process);
	if (life == FY_IDENTITY_UNKNOWN)
		return FY_MONITOR_ELSEWHERE;
	return life == FY_IDENTITY_GONE ? FY_MONITOR_DEAD : FY_MONITOR_ALIVE;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* What is wrong with it, or NULL. */
static const char *take(int fd, struct fy_monitor_copy *copy)
{
	struct stat st;
	if (fstat(fd, &st))
		return strerror(errno);
	if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && geteuid()))
		return "it is no file of this user";
	if ((uint64_t)st.st_size < sizeof *copy->head)
		return "it is too short for a monitor file";
	copy->inode = st.st_ino;
	copy->nbytes = (uint64_t)st.st_size < FY_MONITOR_MAX_BYTES ? (size_t)st.st_size
	                                                           : FY_MONITOR_MAX_BYTES;
	copy->head = calloc(1, copy->nbytes);
	if (!copy->head)
		return "no memory for a copy";
	if (copy_all(fd, copy))
		return "it was truncated";
	const char *fault = check(copy);
	if (!fault)
		copy->life = life_of(fd, copy->head);
	return fault;
}

int fy_monitor_read(const struct fy_monitor_list *list, const char *name,
                    struct fy_monitor_copy *copy, char why[FY_MONITOR_WHY])
{
	int place, fd = open_file(list, name, O_RDONLY, &place);
	*copy = (struct fy_monitor_copy){ 0 };
	snprintf(copy->name, sizeof copy->name, "%s", name);
	const char *fault = fd < 0 ? strerror(errno) : take(fd, copy);
	if (fd >= 0)
		close(fd);
	why[0] = '\0';
	if (!fault)
		return 0;
	snprintf(why, FY_MONITOR_WHY, "%.63s: %s", name, fault);
	fy_monitor_copy_free(copy);
	return -1;
}

void fy_monitor_copy_free(struct fy_monitor_copy *copy)
{
	free(copy->head);
	copy->head = NULL;
	copy->nbytes = 0;
}

/* ---- what is in it ------------------------------------------------------------------------- */

static const struct fy_monitor_section *section_of(const struct fy_monitor_copy *copy,
                                                   enum fy_monitor_kind kind)
{
	for (unsigned i = 0; i < copy->head->n_sections; i++)
		if (copy->head->sections[i].kind == kind)
			return &copy->head->sections[i];
	return NULL;
}

unsigned fy_monitor_count(const struct fy_monitor_copy *copy, enum fy_monitor_kind kind)
{
	const struct fy_monitor_section *s = section_of(copy, kind);
	return s ? s->count : 0;
}

uint64_t fy_monitor_left_out(const struct fy_monitor_copy *copy, enum fy_monitor_kind kind)
{
	const struct fy_monitor_section *s = section_of(copy, kind);
	return s ? s->left_out : 0;
}

bool fy_monitor_entry(const struct fy_monitor_copy *copy, enum fy_monitor_kind kind, unsigned i,
                      void *entry, size_t nbytes)
{
	const struct fy_monitor_section *s = section_of(copy, kind);
	if (!s || i >= s->count)
		return false;
	size_t n = nbytes < s->entry_bytes ? nbytes : s->entry_bytes;
	memset(entry, 0, nbytes);
	memcpy(entry, (const char *)copy->head + s->offset + (size_t)i * s->entry_bytes, n);
	return true;
}

static bool value_in(const struct fy_monitor_copy *copy, enum fy_monitor_kind kind,
                     const char *name, int64_t *value_p)
{
	struct fy_monitor_value value;
	for (unsigned i = 0; fy_monitor_entry(copy, kind, i, &value, sizeof value); i++)
		if (!strncmp(value.name, name, sizeof value.name)) {
			*value_p = value.value;
			return true;
		}
	return false;
}

bool fy_monitor_value(const struct fy_monitor_copy *copy, const char *name, int64_t *value_p)
{
	return value_in(copy, FY_MONITOR_COUNTERS, name, value_p) ||
	       value_in(copy, FY_MONITOR_GAUGES, name, value_p);
}

const char *fy_monitor_text(const struct fy_monitor_copy *copy, size_t *nbytes_p)
{
	size_t at = text_at(copy);
	*nbytes_p = 0;
	if (!at)
		return "";
	const struct fy_monitor_text *text = (const void *)((const char *)copy->head + at);
	*nbytes_p = text->nbytes < sizeof text->text ? text->nbytes : sizeof text->text;
	return text->text;
}

const char *fy_monitor_kind_name(uint32_t kind)
{
	static const char *const names[] = {
		[FY_MONITOR_POST] = "post",
		[FY_MONITOR_CALL] = "call",
		[FY_MONITOR_LARGE_OUT] = "large message out",
		[FY_MONITOR_LARGE_IN] = "large message in",
		[FY_MONITOR_REQUEST] = "request",
		[FY_MONITOR_MESSAGE] = "unread message",
		[FY_MONITOR_FENCE] = "fence",
		[FY_MONITOR_CLOSE] = "close",
		[FY_MONITOR_MPI] = "operation of MPI",
		[FY_MONITOR_PLAIN] = "plain post",
		[FY_MONITOR_FLUSH] = "flush",
	};
	bool known = kind < sizeof names / sizeof names[0] && names[kind];
	return known ? names[kind] : "operation";
}

const char *fy_monitor_state_name(uint32_t state)
{
	static const char *const names[] = {
		[FY_MONITOR_IN_LANE] = "in the lane",
		[FY_MONITOR_IN_QUEUE] = "waits for room",
		[FY_MONITOR_UNDER_WAY] = "not accepted",
		[FY_MONITOR_AWAITED] = "not answered",
		[FY_MONITOR_UNGRANTED] = "waits for a grant",
		[FY_MONITOR_ENDING] = "not over",
		[FY_MONITOR_HELD] = "here",
	};
	bool known = state < sizeof names / sizeof names[0] && names[state];
	return known ? names[state] : "open";
}

/* ---- cleaning ------------------------------------------------------------------------------ */

/* Only the file that was looked at: another one may have its name by now. */
static int remove_same(int place, const char *name, int fd)
{
	struct stat mine, there;
	char socket_name[FY_MONITOR_FILE_NAME + sizeof FY_MONITOR_SOCKET];
	if (fstat(fd, &mine) || fstatat(place, name, &there, AT_SYMLINK_NOFOLLOW) ||
	    mine.st_ino != there.st_ino || mine.st_dev != there.st_dev)
		return 0;
	if (unlinkat(place, name, 0))
		return errno == ENOENT ? 0 : -1;
	int stem = (int)(strlen(name) - strlen(FY_MONITOR_SUFFIX));
	snprintf(socket_name, sizeof socket_name, "%.*s%s", stem, name, FY_MONITOR_SOCKET);
	unlinkat(place, socket_name, 0);
	return 1;
}

/* A file whose lock is held is dead all the same if its process is gone; one whose head cannot be
 * read has no process. */
static bool may_remove(int fd)
{
	struct fy_monitor_head head;
	if (fy_lock_take(fd))
		return true;
	return read_at(fd, &head, sizeof head, 0) == sizeof head && !fault_of_head(&head) &&
	       fy_identity_look(&head.process) == FY_IDENTITY_GONE;
}

int fy_monitor_clean(const struct fy_monitor_list *list, const char *name, char why[FY_MONITOR_WHY])
{
	int place, status, fd = open_file(list, name, O_RDWR, &place);
	why[0] = '\0';
	if (!has_suffix(name, FY_MONITOR_SUFFIX))
		status = 0;
	else if (fd < 0)
		status = errno == ENOENT ? 0 : -1;
	else
		status = may_remove(fd) ? remove_same(place, name, fd) : 0;
	if (status < 0)
		snprintf(why, FY_MONITOR_WHY, "%.63s: %s", name, strerror(errno));
	if (fd >= 0)
		close(fd);
	return status;
}
