/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The text of an error, in one line, in memory of the calling thread. */
const char *fy_mpi_error_text(const char *what, int code);
const char *fy_mpi_error_last_text(void);
void fy_mpi_error_set_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
int fy_mpi_error_fail(const char *call, int code);
