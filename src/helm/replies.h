/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

struct fy_progress;
struct fy_reply_error;

/* Replies that are not put yet. */
struct fy_replies {
	ferry_message *first, *last;
	uint64_t of[2]; /* how many these are, by colour */
};

/* For fy_message_send_answer. Any thread. */
void fy_replies_send(ferry_message *request);
void fy_replies_collect(struct fy_progress *p);
bool fy_replies_step(struct fy_progress *p);
bool fy_replies_put(struct fy_progress *p, ferry_message *request);
bool fy_replies_put_bytes(struct fy_progress *p, int rank, uint64_t call_id,
                          const struct fy_reply_error *error, const void *body, uint32_t nbytes,
                          uint32_t tag);
