/* SPDX-License-Identifier: Apache-2.0 */
#include "wordcount_input.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int add(struct input *input, const char *path, uint64_t size, const char *refused)
{
	struct input_file *file;

	if (input->count == input->room) {
		size_t room = input->room ? 2 * input->room : 256;
		struct input_file *files = realloc(input->files, room * sizeof *files);

		if (!files)
			return -1;
		input->files = files;
		input->room = room;
	}
	file = &input->files[input->count];
	file->path = strdup(path);
	file->size = size;
	file->refused = refused ? strdup(refused) : NULL;
	if (!file->path || (refused && !file->refused)) {
		free(file->path);
		free(file->refused);
		return -1;
	}
	input->count++;
	return 0;
}

/* Lists regular files, and with a reason those that cannot be read. Links, pipes and devices below
 * a directory are skipped; those that the user names are listed with a reason. */
static int visit(struct input *input, const FTSENT *entry)
{
	switch (entry->fts_info) {
	case FTS_F:
		return add(input, entry->fts_path, (uint64_t)entry->fts_statp->st_size, NULL);
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		return add(input, entry->fts_path, 0, strerror(entry->fts_errno));
	case FTS_SLNONE:
	case FTS_SL:
	case FTS_DEFAULT:
		if (entry->fts_level == FTS_ROOTLEVEL)
			return add(input, entry->fts_path, 0, "not a regular file");
		return 0;
	default:
		return 0;
	}
}

static int walk(struct input *input, char *name)
{
	char *roots[] = { name, NULL };
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
	int failed = 0;
	FTSENT *entry;

	if (!tree)
		return add(input, name, 0, strerror(errno));
	while (!failed && (entry = fts_read(tree)))
		failed = visit(input, entry);
	fts_close(tree);
	return failed;
}

static int by_path(const void *left, const void *right)
{
	return strcmp(((const struct input_file *)left)->path,
	              ((const struct input_file *)right)->path);
}

int input_list(struct input *input, char *const *names, size_t count, uint64_t bytes)
{
	memset(input, 0, sizeof *input);
	input->bytes = bytes;
	for (size_t i = 0; i < count; i++) {
		if (walk(input, names[i])) {
			fprintf(stderr, "wordcount: no memory for the list of files\n");
			return -1;
		}
	}
	if (input->count)
		qsort(input->files, input->count, sizeof *input->files, by_path);
	return 0;
}

void input_free(struct input *input)
{
	for (size_t i = 0; i < input->count; i++) {
		free(input->files[i].path);
		free(input->files[i].refused);
	}
	free(input->files);
	memset(input, 0, sizeof *input);
}

/* Goes back to the first file if all were read, more bytes are wanted, and the files have bytes. */
static bool rewind_cursor(const struct input *input, struct input_cursor *cursor)
{
	if (cursor->next < input->count)
		return true;
	if (!input->bytes || !cursor->planned)
		return false;
	cursor->next = 0;
	cursor->planned = 0;
	return true;
}

bool input_next(const struct input *input, struct input_cursor *cursor,
                const struct input_file **file_p, uint64_t *limit_p)
{
	const struct input_file *file;

	if (!cursor->started) {
		cursor->started = true;
		cursor->left = input->bytes ? input->bytes : UINT64_MAX;
	}
	if (!cursor->left || !rewind_cursor(input, cursor))
		return false;
	file = &input->files[cursor->next++];
	*file_p = file;
	*limit_p = UINT64_MAX;
	if (input->bytes) {
		*limit_p = file->size < cursor->left ? file->size : cursor->left;
		cursor->left -= *limit_p;
		cursor->planned += *limit_p;
	}
	cursor->readings++;
	return true;
}
