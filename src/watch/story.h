/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verdict in words, and as a graph: who waits for whom, up to the cycle or the root. Pure
 * functions of pictures, as verdict.h. Ranks in an equal state are one line.
 */
#pragma once

#include <stddef.h>

struct fy_picture;
struct fy_verdict_of;

/* The verdict, why it is none better, what each rank waits for, the cycle or the root: lines that
 * end with a newline. Returns the length, below `room`. */
size_t fy_story_tell(const struct fy_verdict_of *job, char *text, size_t room);
/* The same of one rank alone, from its own picture. */
size_t fy_story_tell_one(const struct fy_picture *picture, char *text, size_t room);
/* The same, a line each, with the time of each wait. */
size_t fy_story_list(const struct fy_picture *picture, char *text, size_t room);
/* Who waits for whom, as a graph in the language of dot. Likewise. */
size_t fy_story_draw(const struct fy_verdict_of *job, char *text, size_t room);
