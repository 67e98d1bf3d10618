/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program has a few files of the library's insides in it, beside the library that it loads.
 * What fails in them notes its sentence here, because the library's own place for that belongs to
 * the one that is loaded. Weak: with a static library there is only one of all.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/fail.h"
#include "info.h"

/* What the table of options would say to a log, in functions that this program does not call. */
void fy_log(void);
void fy_log_at(void);
void fy_log_say(void);

__attribute__((weak)) void fy_log(void)
{
}

__attribute__((weak)) void fy_log_at(void)
{
}

__attribute__((weak)) void fy_log_say(void)
{
}

static char sentence[512];

__attribute__((weak)) int(fy_fail)(int status, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(sentence, sizeof sentence, format, arguments);
	va_end(arguments);
	return status;
}

const char *info_failure(void)
{
	return sentence[0] ? sentence : ferry_last_error();
}
