/* SPDX-License-Identifier: Apache-2.0 */
#include "wordcount_table.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a. The upper half chooses the owner of a word, the lower half its slot there. With one half
 * for both, the words of an owner would crowd in a few slots. */
uint64_t word_hash(const char *word, size_t nbytes)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < nbytes; i++)
		hash = (hash ^ (unsigned char)word[i]) * 0x100000001b3u;
	return hash;
}

/* The word's slot, or the free slot where it belongs. There is always a free one. */
static struct entry *find(struct entry *slots, size_t room, uint64_t hash, const char *word,
                          size_t nbytes)
{
	size_t i = hash & (room - 1);

	while (slots[i].word && (slots[i].hash != hash || slots[i].nbytes != nbytes ||
	                         memcmp(slots[i].word, word, nbytes)))
		i = (i + 1) & (room - 1);
	return &slots[i];
}

static bool grow(struct table *table)
{
	size_t room = table->room ? 2 * table->room : 1024;
	struct entry *slots = calloc(room, sizeof *slots);

	if (!slots)
		return false;
	for (size_t i = 0; i < table->room; i++) {
		struct entry *old = &table->slots[i];

		if (old->word)
			*find(slots, room, old->hash, old->word, old->nbytes) = *old;
	}
	free(table->slots);
	table->slots = slots;
	table->room = room;
	return true;
}

static bool claim(struct table *table, struct entry *slot, uint64_t hash, const char *word,
                  size_t nbytes)
{
	char *copy = malloc(nbytes);

	if (!copy)
		return false;
	memcpy(copy, word, nbytes);
	*slot = (struct entry){ .word = copy, .nbytes = nbytes, .count = 0, .hash = hash };
	table->used++;
	return true;
}

void table_add(struct table *table, const char *word, size_t nbytes)
{
	uint64_t hash = word_hash(word, nbytes);
	struct entry *slot;

	if (2 * table->used >= table->room && !grow(table)) {
		table->lost++;
		return;
	}
	slot = find(table->slots, table->room, hash, word, nbytes);
	if (!slot->word && !claim(table, slot, hash, word, nbytes)) {
		table->lost++;
		return;
	}
	slot->count++;
	table->total++;
}

void table_free(struct table *table)
{
	for (size_t i = 0; i < table->room; i++)
		free((char *)table->slots[i].word);
	free(table->slots);
	memset(table, 0, sizeof *table);
}

int entry_order(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	size_t shorter = a->nbytes < b->nbytes ? a->nbytes : b->nbytes;
	int order;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	order = memcmp(a->word, b->word, shorter);
	return order ? order : (a->nbytes > b->nbytes) - (a->nbytes < b->nbytes);
}

/* ---- lists as bytes: count and length as they are in memory, then the word ------------------- */

void bytes_put(struct bytes *bytes, const void *data, size_t nbytes)
{
	if (bytes->nbytes + nbytes > bytes->room) {
		size_t room = 2 * (bytes->nbytes + nbytes);
		char *grown = realloc(bytes->data, room);

		if (!grown) {
			bytes->failed = true;
			return;
		}
		bytes->data = grown;
		bytes->room = room;
	}
	memcpy(bytes->data + bytes->nbytes, data, nbytes);
	bytes->nbytes += nbytes;
}

void bytes_free(struct bytes *bytes)
{
	free(bytes->data);
	memset(bytes, 0, sizeof *bytes);
}

static void pack(struct bytes *bytes, const struct entry *entry)
{
	uint64_t head[2] = { entry->count, entry->nbytes };

	bytes_put(bytes, head, sizeof head);
	bytes_put(bytes, entry->word, entry->nbytes);
}

bool entry_unpack(const char **list, const char *end, struct entry *entry)
{
	uint64_t head[2];

	if ((size_t)(end - *list) < sizeof head)
		return false;
	memcpy(head, *list, sizeof head);
	if (head[1] > (size_t)(end - *list) - sizeof head)
		return false;
	entry->word = *list + sizeof head;
	entry->count = head[0];
	entry->nbytes = head[1];
	*list += sizeof head + head[1];
	return true;
}

void table_pack_top(const struct table *table, uint64_t most, struct bytes *bytes)
{
	struct entry *sorted = calloc(table->used + 1, sizeof *sorted);
	size_t count = 0;

	if (!sorted) {
		bytes->failed = true;
		return;
	}
	for (size_t i = 0; i < table->room; i++)
		if (table->slots[i].word)
			sorted[count++] = table->slots[i];
	qsort(sorted, count, sizeof *sorted, entry_order);
	for (size_t i = 0; i < count && i < most; i++)
		pack(bytes, &sorted[i]);
	free(sorted);
}

size_t table_pack_from(const struct table *table, size_t slot, size_t enough, struct bytes *bytes)
{
	for (; slot < table->room && bytes->nbytes < enough && !bytes->failed; slot++)
		if (table->slots[slot].word)
			pack(bytes, &table->slots[slot]);
	return slot;
}
