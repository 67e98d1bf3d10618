/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Sleep while *word is `expected`, at most until `until` (absolute monotonic ns, INT64_MAX: for
 * ever). May return early. `shared`: the word is shared with other processes. */
void fy_futex_wait(uint32_t *word, uint32_t expected, int64_t until, bool shared);
void fy_futex_wake(uint32_t *word, int threads, bool shared);
