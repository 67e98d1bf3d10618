/* SPDX-License-Identifier: Apache-2.0 */
#include "wordcount_words.h"

#include <stdio.h>
#include <stdlib.h>

/* The letter in lower case, or 0 for any other byte, which ends a word. The locale does not
 * matter. */
static char letter_of(char byte)
{
	char lower = (char)(byte | 0x20);

	return lower >= 'a' && lower <= 'z' ? lower : 0;
}

static int grow(struct words *words)
{
	size_t room = words->room ? 2 * words->room : 64;
	char *word = realloc(words->word, room);

	if (!word) {
		fprintf(stderr, "wordcount: no memory for a word of %zu bytes\n", room);
		return -1;
	}
	words->word = word;
	words->room = room;
	return 0;
}

int words_end(struct words *words)
{
	size_t nbytes = words->nbytes;

	words->nbytes = 0;
	return nbytes ? words->emit(words->arg, words->word, nbytes) : 0;
}

int words_feed(struct words *words, const char *block, size_t nbytes)
{
	int failed = 0;

	for (size_t i = 0; i < nbytes && !failed; i++) {
		char letter = letter_of(block[i]);

		if (!letter) {
			if (words->nbytes)
				failed = words_end(words);
			continue;
		}
		if (words->nbytes == words->room)
			failed = grow(words);
		if (!failed)
			words->word[words->nbytes++] = letter;
	}
	return failed;
}

void words_free(struct words *words)
{
	free(words->word);
	words->word = NULL;
	words->nbytes = words->room = 0;
}
