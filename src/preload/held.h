/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call of MPI that is made with the helm held, because all calls are serialized and this one has
 * no nonblocking form. Others wait behind it. A thread that has waited for a while says so: if the
 * call waits for what another thread of this rank would do, that is the reason of a hang.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* By the holder of the helm. `call`: its name, which stays where it is. */
void fy_preload_held_begin(const char *call);
void fy_preload_held_end(void);
/* When a thread that sleeps has to look again, as futex.h has it. */
int64_t fy_preload_held_until(void);
/* By a thread that waits in `waiting`: tell of a call that has the helm for too long, once. */
void fy_preload_held_say(const char *waiting);
/* The sentence, or an empty text. Ages are those at `now`. */
void fy_preload_held_sentence(const char *waiting, int64_t now, char *text, size_t size);
