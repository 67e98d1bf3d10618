/* SPDX-License-Identifier: Apache-2.0 */
/* Status codes, the thread's last error, and time. */
#include <stdio.h>
#include <time.h>

#include "status.h"

#define LAST_ERROR_BYTES 256

/* Initial-exec, so that noting an error neither allocates nor can fail, also in
 * a library that a program loaded late. */
static _Thread_local char last_error[LAST_ERROR_BYTES] __attribute__((tls_model("initial-exec")));

const char *ferry_strname(int status)
{
	switch (status) {
	case FERRY_OK: return "FERRY_OK";
	case FERRY_PENDING: return "FERRY_PENDING";
#define STATUS_NAME(name, value, text) \
	case FERRY_##name: return "FERRY_" #name;
	FERRY_STATUS_MAP(STATUS_NAME)
#undef STATUS_NAME
	default: return "unknown status";
	}
}

const char *ferry_strerror(int status)
{
	switch (status) {
	case FERRY_OK: return "all is well";
	case FERRY_PENDING: return "it is not decided yet";
#define STATUS_TEXT(name, value, text) \
	case FERRY_##name: return text;
	FERRY_STATUS_MAP(STATUS_TEXT)
#undef STATUS_TEXT
	default: return "unknown status";
	}
}

const char *ferry_last_error(void)
{
	return last_error;
}

const char *ferry_version(void)
{
	return FERRY_VERSION;
}

int fy_fail(int status, const char *format, ...)
{
	/* By way of a second buffer: an argument may be the last error itself. */
	char text[LAST_ERROR_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	snprintf(last_error, sizeof last_error, "%s", text);
	return status;
}

int64_t fy_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t fy_until(int64_t now, int64_t timeout)
{
	if (timeout == FERRY_FOREVER)
		return INT64_MAX;
	return timeout > INT64_MAX - now ? INT64_MAX : now + timeout;
}
