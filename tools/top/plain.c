/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <string.h>

#include "../text/utf8.h"
#include "plain.h"

/* The second set of control characters, from U+0080 to U+009F. */
static bool is_second_control(const unsigned char *bytes)
{
	return bytes[0] == 0xc2 && bytes[1] < 0xa0;
}

/* What has no width, or turns the direction of what follows: U+200B to U+200F, U+202A to U+202E,
 * U+2060 to U+206F. */
static bool is_unseen(const unsigned char *bytes)
{
	if (bytes[0] != 0xe2)
		return false;
	if (bytes[1] == 0x80)
		return (bytes[2] >= 0x8b && bytes[2] <= 0x8f) ||
		       (bytes[2] >= 0xaa && bytes[2] <= 0xae);
	return bytes[1] == 0x81 && bytes[2] >= 0xa0 && bytes[2] <= 0xaf;
}

static bool is_shown(const char *text, size_t length)
{
	const unsigned char *bytes = (const unsigned char *)text;

	if (length == 1)
		return bytes[0] >= 0x20 && bytes[0] != 0x7f;
	return length && !(length == 2 && is_second_control(bytes)) &&
	       !(length == 3 && is_unseen(bytes));
}

void top_plain(char *to, size_t size, int columns, const char *text)
{
	size_t used = 0, length;

	for (; *text && columns > 0; text += length ? length : 1, columns--) {
		length = text_utf8(text);
		if (used + (length ? length : 1) >= size)
			break;
		if (!is_shown(text, length)) {
			to[used++] = '?';
		} else {
			memcpy(to + used, text, length);
			used += length;
		}
	}
	to[used] = '\0';
}
