/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helm's counters as the helm showed them last, for threads that do not wait until it is free.
 * Written by the holder of the helm, read by any thread: `seq` is odd while it is written (relaxed
 * stores between two full fences), and a reader that sees it odd or changed reads again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ferry.h"
#include "base/order.h"

#define FY_SHOWN_WORDS (sizeof(ferry_stats) / sizeof(uint64_t))
#define FY_SHOWN_TRIES 1000u

struct fy_shown {
	uint32_t seq;
	/* how many were begun because a thread asked, and of these the last one that is over.
	 * Written by the holder of the helm (release), read by those threads (acquire); `over` is a
	 * futex */
	uint32_t begun, over;
	/* 1: it is asked for, and not begun. Set by the thread that asks (compare and swap),
	 * cleared by the holder of the helm (swap) before it raises `begun` */
	uint32_t asked;
	uint64_t words[FY_SHOWN_WORDS]; /* a ferry_stats */
};

static inline void fy_shown_write(struct fy_shown *shown, const ferry_stats *stats)
{
	uint64_t words[FY_SHOWN_WORDS];
	memcpy(words, stats, sizeof words);
	fy_store_relaxed_32(&shown->seq, shown->seq + 1);
	fy_fence_full();
	for (size_t i = 0; i < FY_SHOWN_WORDS; i++)
		fy_store_relaxed_64(&shown->words[i], words[i]);
	fy_fence_full();
	fy_store_release_32(&shown->seq, shown->seq + 1);
}

/* False: it is written all the time, by a thread that was stopped in the middle of it. */
static inline bool fy_shown_read(const struct fy_shown *shown, ferry_stats *stats)
{
	uint64_t words[FY_SHOWN_WORDS];
	bool same = false;
	for (unsigned i = 0; !same && i < FY_SHOWN_TRIES; i++) {
		uint32_t seq = fy_load_acquire_32(&shown->seq);
		for (size_t j = 0; j < FY_SHOWN_WORDS; j++)
			words[j] = fy_load_relaxed_64(&shown->words[j]);
		fy_fence_full();
		same = !(seq & 1) && fy_load_relaxed_32(&shown->seq) == seq;
	}
	memcpy(stats, words, sizeof words);
	return same;
}
