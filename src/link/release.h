/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ferry.h"

struct fy_link;

/* A message posted to that rank was sent, or will not be: drop the post's reference, and give its
 * room in send_memory back. */
void fy_release_body(struct fy_link *link, int rank, ferry_message *message);

/* Drop a reference of a message. With the last one its release functions run, which are user code:
 * now, or as a task if none may run now. */
void fy_release_message(struct fy_link *link, ferry_message *message);
