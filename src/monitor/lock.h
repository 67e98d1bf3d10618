/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock of a monitor file: held while its writer has the file mapped. The system takes it away
 * when the writer ends, however it ends.
 */
#pragma once

#include <stdbool.h>

/* Take it for as long as `fd`, or a mapping that was made through it, exists. False: somebody has
 * it. */
bool fy_lock_take(int fd);
/* Does somebody have it? Also true if nobody can tell. */
bool fy_lock_is_held(int fd);
