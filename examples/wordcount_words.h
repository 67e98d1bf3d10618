/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting bytes into words: a word is a longest run of ASCII letters, in lower case. */
#ifndef WORDCOUNT_WORDS_H
#define WORDCOUNT_WORDS_H

#include <stddef.h>

/* Takes one word. A result other than 0 stops the cutting, and words_feed returns it. */
typedef int words_emit_fn(void *arg, const char *word, size_t nbytes);

/* The word that is being read. A word may begin in one block of a file and end many blocks later.
 * The buffer grows with the word, so no word is too long. */
struct words {
	char *word;
	size_t nbytes;
	size_t room;
	words_emit_fn *emit;
	void *arg;
};

/* the next bytes of a file */
int words_feed(struct words *words, const char *block, size_t nbytes);
int words_end(struct words *words); /* the file ends here */
void words_free(struct words *words);

#endif
