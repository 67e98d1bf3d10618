/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of an engine, as the thread in ferry_close and the helm tell each other.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FY_CLOSE_TEXT 252

/* How far a close is, and its result. */
struct fy_ending {
	uint32_t closed; /* futex: set by the progress thread (release) when everything is freed */
	int status;      /* written before `closed` */
	/* written before `closed`: the sentence of `status`, or "" */
	char text[FY_CLOSE_TEXT];
	/* 1 once ferry_abort, or ferry_close, was called: set by that thread (compare-and-swap) */
	uint32_t aborting, let_go;
	/* 1 from the phase FY_STOPPED on. Written with it (release), read by handlers (acquire) */
	uint32_t stopped;
	/* 1 after the close's last look at the lanes. Written by it (release), read by threads that
	 * post late, exit or make a message (acquire) */
	uint32_t abandoned;
	/* what runs with the helm: the op of an inline handler, or FY_INSIDE_... of inside.h.
	 * Written by the holder (relaxed), read by a close that waits and by the watchdog (relaxed:
	 * a hint) */
	uint32_t inside;
	/* 1: the close has left the progress thread behind. Written by it (relaxed), read by the
	 * watchdog (relaxed: a look later is soon enough) */
	uint32_t left;
	bool apart; /* the job has ranks on other hosts: set at the open */
	/* when (ns) the first rank was excluded; 0: none is. Written by the helm (release), read by
	 * a close that waits (acquire) */
	uint64_t gone_at;
	/* since when (ns) the closing thread runs queues, or 0: its hint (relaxed) to the helm */
	uint64_t draining;
};
