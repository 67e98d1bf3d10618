/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of this process, for its picture: the system's list of them, and what each waits for
 * in Ferry. Any thread of the process; it reads files of /proc, and needs no lock.
 */
#pragma once

struct fy_picture;

/* Put the threads into a picture that is taken for that engine. */
void fy_threads_look(struct fy_picture *picture, const void *engine);
