/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal: its size, its keys, and a screen of its own that goes away at the end, also at the
 * end by a signal. Plain ANSI sequences. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum top_key {
	TOP_KEY_NONE,   /* the time is over */
	TOP_KEY_CHANGE, /* the terminal has another size, or was given back after a stop */
	TOP_KEY_QUIT,   /* q, ctrl-c, or a signal that ends programs */
	TOP_KEY_UP,
	TOP_KEY_DOWN,
	TOP_KEY_ENTER,
	TOP_KEY_BACK, /* escape, or b */
	TOP_KEY_NOW,  /* the space bar */
	TOP_KEY_DEAD, /* d */
	TOP_KEY_PLOT, /* p */
	TOP_KEY_OTHER,
};

/* Rows and columns; 24 and 80 where nobody knows. */
void top_screen_size(int *rows, int *columns);
/* Take the terminal. `keys`: stdin is one as well, and its keys are wanted. */
void top_screen_open(bool keys);
void top_screen_close(void);
/* Show so many bytes of text in place of what was there. Each line is cut at the last column. */
void top_screen_show(const char *text, size_t length);
/* Wait for a key, or for so many ns. */
enum top_key top_screen_wait(int64_t ns);
/* A signal that ends programs came: its number, or 0. */
int top_screen_signal(void);
