/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probe: now and then one batch is followed, so that the histograms of the monitor file have
 * something in them. The helm arms it by the time (helm/sample.c). A batch that is not followed
 * costs one look when it leaves and one when it comes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "monitor/entries.h"

struct fy_batch;
struct fy_batch_header;
struct fy_channel;
struct fy_link;

struct fy_probe {
	bool armed;            /* follow the next batch that leaves */
	bool handler_armed;    /* time the next handler */
	struct fy_channel *ch; /* the followed batch went there; NULL: none is followed */
	bool accept_open;      /* its acceptance was not told */
	uint32_t seq;
	int64_t sent_at, taken_at;
	uint64_t call_id; /* of its first call, until the reply; 0: none */
	struct fy_monitor_histogram stages[FY_MONITOR_N_STAGES];
};

void fy_probe_note(struct fy_probe *probe, enum fy_monitor_stage stage, int64_t took);
/* The batch has left. */
void fy_probe_sent(struct fy_link *link, struct fy_channel *ch, const struct fy_batch *b);
/* A batch with this header came from where the followed one went, and its records were taken. */
void fy_probe_answered(struct fy_link *link, const struct fy_batch_header *h);
/* Nothing more is expected of what went there. */
void fy_probe_forget(struct fy_probe *probe);
