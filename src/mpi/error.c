/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts for errors of MPI, in memory of the calling thread. Any thread.
 */
#include "mpi/error.h"

#include <mpi.h>
#include <stdarg.h>
#include <stdio.h>

#include "ferry.h"
#include "base/fail.h"

void fy_mpi_error_set_text(const char *format, ...)
{
	char *text = fy_fail_text();
	va_list arguments;
	if (!text)
		return;
	va_start(arguments, format);
	vsnprintf(text, FY_TEXT_BYTES, format, arguments);
	va_end(arguments);
}

const char *fy_mpi_error_text(const char *what, int code)
{
	char said[MPI_MAX_ERROR_STRING] = "";
	int length = 0;
	MPI_Error_string(code, said, &length);
	for (char *p = said; *p != '\0'; p++)
		if (*p == '\n')
			*p = ' ';
	fy_mpi_error_set_text("%s: %s", what, said);
	return fy_mpi_error_last_text();
}

const char *fy_mpi_error_last_text(void)
{
	const char *text = fy_fail_text();
	return text ? text : "MPI failed, and there is no memory for what it says";
}

int fy_mpi_error_fail(const char *call, int code)
{
	fy_mpi_error_text(call, code);
	return FERRY_EMPI;
}
