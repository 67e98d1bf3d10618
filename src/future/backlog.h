/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/inbox.h"

struct fy_task;

#define FY_BACKLOG_COUNT(load) ((uint32_t)(load))

struct fy_backlog {
	fy_inbox inbox;   /* pushed by submitters, emptied under `runners` */
	uint64_t load;    /* STOPPED, idle, count: atomic add and compare-and-swap by all */
	uint32_t permits; /* futex: added to by wakers, taken by sleepers (compare-and-swap) */
	pthread_mutex_t runners; /* of those that take tasks out; never taken by submitters */
	struct fy_task *first;   /* under runners: what came out of the inbox, oldest first */
};
void fy_backlog_init(struct fy_backlog *backlog);
uint32_t fy_backlog_push(struct fy_backlog *backlog, struct fy_task *task);
uint32_t fy_backlog_count(const struct fy_backlog *backlog);
bool fy_backlog_over(const struct fy_backlog *backlog);
bool fy_backlog_stopped(const struct fy_backlog *backlog);
struct fy_task *fy_backlog_take(struct fy_backlog *backlog, uint64_t off);
void fy_backlog_sleep(struct fy_backlog *backlog, int64_t until);
void fy_backlog_stop(struct fy_backlog *backlog);
