/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_BULK_BULK_H
#define FY_BULK_BULK_H

#include <stdbool.h>
#include <stdint.h>

struct fy_channel;
struct fy_progress;

/* Bytes of messages that came, or are coming, and are not freed. */
uint64_t fy_bulk_held(const struct fy_progress *p);
bool fy_bulk_step(struct fy_progress *p);
bool fy_bulk_is_quiet(const struct fy_progress *p);
void fy_bulk_gone(struct fy_progress *p, struct fy_channel *ch);
bool fy_bulk_is_blocked(const struct fy_progress *p);
void fy_bulk_free(struct fy_progress *p);

#endif
