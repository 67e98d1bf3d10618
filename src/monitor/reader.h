/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading monitor files, for tools and for the library. Any thread. Knows no MPI and no engine, and
 * trusts no byte of a file: what a copy has, was checked against its size.
 *
 * Functions that can fail return 0 or -1, and then put a sentence into `why`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/format.h"

#define FY_MONITOR_SUFFIX ".ferry" /* of the files; the socket beside one ends with the next */
#define FY_MONITOR_SOCKET ".sock"
#define FY_MONITOR_FILE_NAME 64
#define FY_MONITOR_WHY 256

#define FY_MONITOR_PLACES 3
/* The names of all monitor files, sorted. No two places have the same name. */
struct fy_monitor_list {
	int places[FY_MONITOR_PLACES]; /* descriptors of directories */
	unsigned n_places;
	unsigned n;
	char (*names)[FY_MONITOR_FILE_NAME];
};
/* Of this directory; or, NULL, of what FERRY_MONITOR names; or else of all that programs choose by
 * themselves. One that is not there has no files. One that others may use is an error, if it is the
 * only one. */
int fy_monitor_list(const char *directory, struct fy_monitor_list *list, char why[FY_MONITOR_WHY]);
void fy_monitor_list_free(struct fy_monitor_list *list);

enum fy_monitor_life {
	FY_MONITOR_ALIVE,
	FY_MONITOR_DEAD,      /* its process has ended, or has let go of the file */
	FY_MONITOR_ELSEWHERE, /* nobody can tell: another namespace or host */
};

/* A file as it was at one moment. */
struct fy_monitor_copy {
	struct fy_monitor_head *head; /* at the beginning of the copy */
	size_t nbytes;
	enum fy_monitor_life life;
	bool torn;      /* its writer died, or was stopped, in the middle of a sample */
	bool text_torn; /* likewise of the text */
	uint64_t inode;
	char name[FY_MONITOR_FILE_NAME];
};
/* Copy the file of that name. -1 also if it is no monitor file of this layout, or is gone. */
int fy_monitor_read(const struct fy_monitor_list *list, const char *name,
                    struct fy_monitor_copy *copy, char why[FY_MONITOR_WHY]);
void fy_monitor_copy_free(struct fy_monitor_copy *copy);

/* How many entries of that kind the copy has, and how many were left out. */
unsigned fy_monitor_count(const struct fy_monitor_copy *copy, enum fy_monitor_kind kind);
uint64_t fy_monitor_left_out(const struct fy_monitor_copy *copy, enum fy_monitor_kind kind);
/* Entry `i` of that kind, `nbytes` of it: what the file's writer did not know of is 0. False: there
 * is none. */
bool fy_monitor_entry(const struct fy_monitor_copy *copy, enum fy_monitor_kind kind, unsigned i,
                      void *entry, size_t nbytes);
/* A counter or a gauge by its name. False: the file has none. */
bool fy_monitor_value(const struct fy_monitor_copy *copy, const char *name, int64_t *value_p);
/* The text section: points into the copy, and is *nbytes_p long. */
const char *fy_monitor_text(const struct fy_monitor_copy *copy, size_t *nbytes_p);

/* Words for people: "call", "post"; "in the lane", "awaited". */
const char *fy_monitor_kind_name(uint32_t open_kind);
const char *fy_monitor_state_name(uint32_t open_state);

/* Remove the file of a dead process, and the socket beside it. 1: it was removed; 0: it is not
 * dead, or somebody else removed it. */
int fy_monitor_clean(const struct fy_monitor_list *list, const char *name,
                     char why[FY_MONITOR_WHY]);
