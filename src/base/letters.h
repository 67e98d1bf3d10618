/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

char fy_letters_upper(char c);
bool fy_letters_is_digit(char c);
bool fy_letters_is_same(const char *a, const char *b, size_t nbytes);
bool fy_letters_is_word(const char *text, const char *word);
