/* SPDX-License-Identifier: Apache-2.0 */
/* The thread's last error. Any thread. */
#pragma once

/* Note a sentence (printf-like) as this thread's last error and return `status`, so that failing
 * reads `return fy_fail(FERRY_EINVAL, "...")`. */
int fy_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3), cold));
#ifdef __clang_analyzer__ /* does not see that, and finds paths that fail with FERRY_OK */
#define fy_fail(status, ...) ((fy_fail)(status, __VA_ARGS__), (status))
#endif
/* Another buffer of this thread, of FY_TEXT_BYTES, kept until it exits. NULL: no memory. */
#define FY_TEXT_BYTES 768
char *fy_fail_text(void);
/* Between these two a thread has the texts of the handlers that run on it while it waits. Pass what
 * the first one returns to the second one. */
void *fy_fail_begin_guest(void);
void fy_fail_end_guest(void *before);
