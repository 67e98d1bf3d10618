/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

#include <stdbool.h>
#include <stdint.h>

/* How many bytes the first one announces; 0: it begins nothing. */
static size_t announced(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* Not longer than needed, no half of a pair, nothing beyond the last character. */
static bool allowed(size_t length, uint32_t character)
{
	if (length == 3)
		return character >= 0x800 && (character < 0xd800 || character > 0xdfff);
	return length != 4 || (character >= 0x10000 && character <= 0x10ffff);
}

size_t text_utf8(const char *text)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t length = announced(bytes[0]), i;
	uint32_t character = length ? bytes[0] & (0xffu >> (length + 1)) : 0;

	for (i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		character = character << 6 | (bytes[i] & 0x3f);
	}
	return allowed(length, character) ? length : 0;
}
