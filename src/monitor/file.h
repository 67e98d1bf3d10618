/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A monitor file, as its writer has it: mapped, with memory behind all that is written. The holder
 * of the helm, or the thread that opens or ends the engine.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/directory.h"
#include "monitor/format.h"

#define FY_FILE_NAME 64

struct fy_file {
	struct fy_monitor_head *head; /* the mapping, at one address as long as there is a file; or
	                               * NULL */
	size_t room;                  /* bytes of the mapping */
	uint64_t inode, device;
	char name[FY_FILE_NAME];
	char path[FY_DIRECTORY_PATH]; /* of the directory */
};

/* Make the file of this head, in a directory by that name, NULL: the default one. Sections begin
 * empty. `room`: bytes that it may grow to. -1 with a sentence: there is none. */
int fy_file_make(struct fy_file *file, const char *directory, const struct fy_monitor_head *head,
                 size_t room, char why[FY_DIRECTORY_WHY]);
/* Get memory for so many bytes, at most `room`. False: there is none; all is as it was. */
bool fy_file_grow(struct fy_file *file, size_t nbytes);
/* Make it again if it is not there any more. False: that failed; the mapping can still be used. */
bool fy_file_keep(struct fy_file *file);
/* Remove it, and forget the mapping. */
void fy_file_remove(struct fy_file *file);
