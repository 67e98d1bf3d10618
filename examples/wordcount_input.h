/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files are read, and who reads which.
 *
 * Every rank builds the same list by itself: all regular files named, or below a directory named,
 * in byte order of path. The list is read from its start, again and again, until `bytes` bytes are
 * planned; the n-th reading of a file belongs to thread n modulo the number of threads of all
 * ranks. So nothing needs to be sent to agree on the shares.
 */
#ifndef WORDCOUNT_INPUT_H
#define WORDCOUNT_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input_file {
	char *path;
	uint64_t size;
	char *refused; /* why it cannot be read, or NULL */
};

struct input {
	struct input_file *files;
	size_t count;
	size_t room;
	uint64_t bytes; /* 0: each file once, to its end */
};

/* A place in the sequence of readings. Zero it to start; `left` is set by the first input_next. */
struct input_cursor {
	bool started;
	size_t next;       /* index of the file that comes next */
	uint64_t left;     /* bytes that are still to be planned */
	uint64_t planned;  /* bytes in this pass; after a pass without a byte there is none */
	uint64_t readings; /* handed out so far */
};

int input_list(struct input *input, char *const *names, size_t count, uint64_t bytes);
void input_free(struct input *input);

/* The next reading: a file, and how many of its bytes to read at most. False when all are
 * handed out. */
bool input_next(const struct input *input, struct input_cursor *cursor,
                const struct input_file **file_p, uint64_t *limit_p);

#endif
