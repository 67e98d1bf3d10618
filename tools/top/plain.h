/* SPDX-License-Identifier: Apache-2.0 */
/* Text from a file that anything may stand in, before it goes to a terminal or into another
 * format. */
#pragma once

#include <stddef.h>

/* Copy it for a terminal: no control character, nothing but UTF-8, each other byte as "?". At most
 * `columns` characters and so many bytes as there is room for; always terminated. */
void top_plain(char *to, size_t size, int columns, const char *text);
