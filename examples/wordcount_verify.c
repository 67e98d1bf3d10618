/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* asprintf */
#include "wordcount_verify.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { BUCKETS = 1 << 17, SHOWN = 10, BLOCK = 1 << 16 };

struct spelled {
	struct spelled *next;
	uint64_t count;
	bool compared;
	size_t nbytes;
	char word[];
};

struct listed {
	char *path;
	uint64_t size;
	bool refused;
};

struct verify {
	struct spelled *buckets[BUCKETS];
	struct verify_totals totals;
	uint64_t differences;
	struct listed *files;
	size_t count;
	size_t room;
	char *text; /* the file that is being read */
	size_t text_room;
};

/* ---- the list of files ------------------------------------------------- */

static int list_path(struct verify *verify, char *path, uint64_t size, bool refused)
{
	if (!path)
		return -1;
	if (verify->count == verify->room) {
		struct listed *files;

		verify->room = 2 * verify->room + 100;
		files = realloc(verify->files, verify->room * sizeof *files);
		if (!files) {
			free(path);
			return -1;
		}
		verify->files = files;
	}
	verify->files[verify->count++] = (struct listed){ path, size, refused };
	return 0;
}

static int list_below(struct verify *verify, const char *name, bool named);

static int list_directory(struct verify *verify, const char *name)
{
	const char *slash = name[strlen(name) - 1] == '/' ? "" : "/";
	DIR *directory = opendir(name);
	int failed = 0;
	struct dirent *entry;

	if (!directory)
		return list_path(verify, strdup(name), 0, true);
	while (!failed && (entry = readdir(directory))) {
		char *below;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (asprintf(&below, "%s%s%s", name, slash, entry->d_name) < 0)
			failed = -1;
		else {
			failed = list_below(verify, below, false);
			free(below);
		}
	}
	closedir(directory);
	return failed;
}

/* Follows a link that the user names, but not one below a directory. */
static int list_below(struct verify *verify, const char *name, bool named)
{
	struct stat about;

	if (named ? stat(name, &about) : lstat(name, &about))
		return list_path(verify, strdup(name), 0, true);
	if (S_ISDIR(about.st_mode))
		return list_directory(verify, name);
	if (S_ISREG(about.st_mode))
		return list_path(verify, strdup(name), (uint64_t)about.st_size, false);
	return named ? list_path(verify, strdup(name), 0, true) : 0;
}

static int in_byte_order(const void *left, const void *right)
{
	return strcmp(((const struct listed *)left)->path, ((const struct listed *)right)->path);
}

/* ---- words ------------------------------------------------------------- */

static struct spelled **spelled_at(struct verify *verify, const char *word, size_t nbytes)
{
	struct spelled **at;
	uint32_t sum = 5381;

	for (size_t i = 0; i < nbytes; i++)
		sum = 33 * sum + (unsigned char)word[i];
	at = &verify->buckets[(sum ^ sum >> 15) % BUCKETS];
	while (*at && ((*at)->nbytes != nbytes || memcmp((*at)->word, word, nbytes)))
		at = &(*at)->next;
	return at;
}

static int count_one(struct verify *verify, const char *word, size_t nbytes)
{
	struct spelled **at = spelled_at(verify, word, nbytes);

	if (!*at) {
		*at = calloc(1, sizeof **at + nbytes);
		if (!*at)
			return -1;
		(*at)->nbytes = nbytes;
		memcpy((*at)->word, word, nbytes);
		verify->totals.distinct++;
	}
	(*at)->count++;
	verify->totals.words++;
	return 0;
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}
static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

/* Folds the whole text first, then looks for the two ends of each word. */
static int count_text(struct verify *verify, char *text, size_t nbytes)
{
	size_t start = 0, end;

	for (size_t i = 0; i < nbytes; i++)
		if (is_upper(text[i]))
			text[i] = (char)(text[i] - 'A' + 'a');
	for (; start < nbytes; start = end + 1) {
		for (end = start; end < nbytes && is_lower(text[end]); end++)
			;
		if (end > start && count_one(verify, text + start, end - start))
			return -1;
	}
	return 0;
}

/* ---- files ------------------------------------------------------------- */

static int make_room(struct verify *verify, size_t nbytes)
{
	char *text;

	if (nbytes <= verify->text_room)
		return 0;
	text = realloc(verify->text, 2 * nbytes);
	if (!text)
		return -1;
	verify->text = text;
	verify->text_room = 2 * nbytes;
	return 0;
}

static int read_text(struct verify *verify, FILE *file, uint64_t limit, size_t *nbytes_p)
{
	size_t nbytes = 0, got = 1;

	while (got && nbytes < limit) {
		size_t want = limit - nbytes < BLOCK ? (size_t)(limit - nbytes) : BLOCK;

		if (make_room(verify, nbytes + want))
			return -1;
		got = fread(verify->text + nbytes, 1, want, file);
		nbytes += got;
	}
	*nbytes_p = nbytes;
	return 0;
}

static int count_file(struct verify *verify, struct listed *listed, uint64_t limit)
{
	FILE *file = listed->refused ? NULL : fopen(listed->path, "rb");
	size_t nbytes = 0;
	int failed;

	if (!file) {
		listed->refused = true;
		return 0;
	}
	failed =
		read_text(verify, file, limit, &nbytes) || count_text(verify, verify->text, nbytes);
	verify->totals.bytes += nbytes;
	listed->refused = ferror(file);
	verify->totals.files += !listed->refused;
	fclose(file);
	return failed ? -1 : 0;
}

/* Reads the list once, or again and again until there are enough bytes. The last file is cut where
 * there are. */
static int count_files(struct verify *verify, uint64_t bytes)
{
	uint64_t left = bytes ? bytes : 1, before;

	do {
		before = left;
		for (size_t i = 0; i < verify->count && left; i++) {
			uint64_t limit = UINT64_MAX;

			if (bytes) {
				limit = verify->files[i].size < left ? verify->files[i].size : left;
				left -= limit;
			}
			if (count_file(verify, &verify->files[i], limit))
				return -1;
		}
	} while (left && left != before);
	for (size_t i = 0; i < verify->count; i++)
		verify->totals.refused += verify->files[i].refused;
	return 0;
}

struct verify *verify_count(char *const *names, size_t count, uint64_t bytes)
{
	struct verify *verify = calloc(1, sizeof *verify);
	int failed = !verify;

	for (size_t i = 0; i < count && !failed; i++)
		failed = list_below(verify, names[i], true);
	if (!failed && verify->count)
		qsort(verify->files, verify->count, sizeof *verify->files, in_byte_order);
	if (!failed)
		failed = count_files(verify, bytes);
	if (failed) {
		fprintf(stderr, "wordcount: no memory to verify\n");
		verify_free(verify);
		return NULL;
	}
	return verify;
}

void verify_totals(const struct verify *verify, struct verify_totals *totals)
{
	*totals = verify->totals;
}

/* ---- comparing --------------------------------------------------------- */

static void differs(struct verify *verify, const char *word, size_t nbytes, uint64_t job,
                    uint64_t right)
{
	int shown = nbytes < 60 ? (int)nbytes : 60;

	if (verify->differences++ < SHOWN)
		printf("differs: %.*s: the job counted %ju, right is %ju\n", shown, word,
		       (uintmax_t)job, (uintmax_t)right);
}

void verify_word(struct verify *verify, const char *word, size_t nbytes, uint64_t count)
{
	struct spelled *spelled = *spelled_at(verify, word, nbytes);

	/* Compared before: then two ranks believe that they own the word. */
	if (!spelled || spelled->compared || spelled->count != count)
		differs(verify, word, nbytes, count, spelled ? spelled->count : 0);
	if (spelled)
		spelled->compared = true;
}

uint64_t verify_differences(struct verify *verify)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct spelled *spelled = verify->buckets[i]; spelled; spelled = spelled->next)
			if (!spelled->compared)
				differs(verify, spelled->word, spelled->nbytes, 0, spelled->count);
	return verify->differences;
}

void verify_free(struct verify *verify)
{
	if (!verify)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct spelled *spelled = verify->buckets[i], *next; spelled; spelled = next) {
			next = spelled->next;
			free(spelled);
		}
	}
	for (size_t i = 0; i < verify->count; i++)
		free(verify->files[i].path);
	free(verify->files);
	free(verify->text);
	free(verify);
}
