/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status codes as text, and the version. Any thread.
 */
#include "ferry.h"

const char *ferry_strname(int status)
{
	switch (status) {
	case FERRY_OK:
		return "FERRY_OK";
	case FERRY_PENDING:
		return "FERRY_PENDING";
#define STATUS_NAME(name, value, text) \
	case FERRY_##name:             \
		return "FERRY_" #name;
		FERRY_STATUS_MAP(STATUS_NAME)
#undef STATUS_NAME
	default:
		return "unknown status";
	}
}

const char *ferry_strerror(int status)
{
	switch (status) {
	case FERRY_OK:
		return "all is well";
	case FERRY_PENDING:
		return "it is not decided yet";
#define STATUS_TEXT(name, value, text) \
	case FERRY_##name:             \
		return text;
		FERRY_STATUS_MAP(STATUS_TEXT)
#undef STATUS_TEXT
	default:
		return "unknown status";
	}
}

const char *ferry_version(void)
{
	return FERRY_VERSION;
}
