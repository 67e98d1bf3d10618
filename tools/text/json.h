/* SPDX-License-Identifier: Apache-2.0 */
/* Strings of JSON. */
#pragma once

#include <stdio.h>

/* The text in quotation marks, as a string that every parser takes: control characters are escaped,
 * and a byte that is no UTF-8 becomes U+FFFD. */
void text_json(FILE *to, const char *text);
/* The same for a script in a page of HTML, which "<", ">" and "&" may not end. */
void text_json_in_page(FILE *to, const char *text);
