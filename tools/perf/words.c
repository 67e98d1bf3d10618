/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

bool perf_read_size(const char *text, size_t *value, const char **end)
{
	unsigned long long number;
	char *after;
	int shift = 0;

	errno = 0;
	number = strtoull(text, &after, 10);
	if (after == text || *text == '-' || errno != 0)
		return false;
	switch (*after) {
	case 'k':
	case 'K':
		shift = 10;
		break;
	case 'm':
	case 'M':
		shift = 20;
		break;
	case 'g':
	case 'G':
		shift = 30;
		break;
	default:
		break;
	}
	*end = after + (shift != 0);
	if (number > (SIZE_MAX >> shift))
		return false;
	*value = (size_t)number << shift;
	return true;
}

bool perf_in_list(const char *list, const char *name)
{
	size_t length = strlen(name), part;

	for (; *list; list += part + (list[part] == ',')) {
		part = strcspn(list, ",");
		if (part == length && memcmp(list, name, length) == 0)
			return true;
	}
	return false;
}
