/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Letters and digits as in C, whatever the program's locale. Any thread.
 */
#include "base/letters.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* In a Turkish locale toupper('i') is not I, so "KIB" would not equal "kib". */

char fy_letters_upper(char c)
{
	return (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
}

bool fy_letters_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Whether two texts are the same, upper and lower case aside. */
bool fy_letters_is_same(const char *a, const char *b, size_t nbytes)
{
	for (size_t i = 0; i < nbytes; i++)
		if (fy_letters_upper(a[i]) != fy_letters_upper(b[i]))
			return false;
	return true;
}

bool fy_letters_is_word(const char *text, const char *word)
{
	return strlen(text) == strlen(word) && fy_letters_is_same(text, word, strlen(word));
}
