/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with an engine, as sentences, the worst first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct top_engine;

/* In the order of how bad it is. */
enum top_trouble_kind {
	TOP_DEAD,     /* its process has ended without a close */
	TOP_STOPPED,  /* its process is stopped, by a signal or a debugger */
	TOP_GONE,     /* it goes on without a peer */
	TOP_SILENT,   /* it waits for a peer that says nothing */
	TOP_HANDLER,  /* an inline handler does not return */
	TOP_STEPLESS, /* nobody steps the engine */
	TOP_OLD,      /* an operation is open for long */
	TOP_CREDIT,   /* no credit, or no room, at a peer */
	TOP_FULL,     /* what it received fills its memory */
	TOP_NO_TROUBLE,
};

struct top_trouble {
	enum top_trouble_kind kind;
	char text[240];
};

/* Of peers only the worst few are named. */
#define TOP_TROUBLES 8
struct top_troubles {
	struct top_trouble list[TOP_TROUBLES];
	unsigned n;
};

void top_troubles_find(struct top_troubles *troubles, const struct top_engine *engine);
/* TOP_NO_TROUBLE: all is well. */
enum top_trouble_kind top_troubles_worst(const struct top_troubles *troubles);
/* One word of at most 8 letters. */
const char *top_trouble_word(enum top_trouble_kind kind);
/* "a call of op 7 to rank 3": an operation that is open. */
struct fy_monitor_open;
void top_open_said(char *text, size_t size, const struct fy_monitor_open *open);
