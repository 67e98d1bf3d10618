/* SPDX-License-Identifier: Apache-2.0 */
/* Words and how often they came, and lists of them as bytes, to be sent in one piece. */
#ifndef WORDCOUNT_TABLE_H
#define WORDCOUNT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct entry {
	const char *word; /* NULL: a free slot of the table */
	size_t nbytes;
	uint64_t count;
	uint64_t hash;
};

struct table {
	struct entry *slots;
	size_t room; /* a power of two, or 0 */
	size_t used;
	uint64_t total; /* sum of all counts */
	uint64_t lost;  /* words for which there was no memory */
};

struct bytes {
	char *data;
	size_t nbytes;
	size_t room;
	bool failed; /* no memory: the bytes are not complete */
};

uint64_t word_hash(const char *word, size_t nbytes);

void table_add(struct table *table, const char *word, size_t nbytes);
void table_free(struct table *table);

/* Appends the `most` most frequent words, ties in byte order. */
void table_pack_top(const struct table *table, uint64_t most, struct bytes *bytes);
/* Appends words from slot `slot` on, about `enough` bytes. Returns the slot to go on with, or
 * table->room at the end. */
size_t table_pack_from(const struct table *table, size_t slot, size_t enough, struct bytes *bytes);

/* qsort: the most frequent first, ties in byte order. */
int entry_order(const void *left, const void *right);
/* Takes the next word off a packed list; it points into the list. False at the end. */
bool entry_unpack(const char **list, const char *end, struct entry *entry);

void bytes_put(struct bytes *bytes, const void *data, size_t nbytes);
void bytes_free(struct bytes *bytes);

#endif
