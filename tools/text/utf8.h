/* SPDX-License-Identifier: Apache-2.0 */
/* Characters in text from a file that anything may stand in. */
#pragma once

#include <stddef.h>

/* The bytes of the character that begins here, 1 to 4; 0: it is none of UTF-8. Reads up to the
 * terminating zero and not beyond. */
size_t text_utf8(const char *text);
