/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "screen.h"
#include "views.h"
#include "watch.h"

enum view { TABLE, DETAIL, PLOT };

struct watch {
	const struct top_options *options;
	struct top_wish wish;
	struct top_host host;
	bool readable; /* the host was read, and why is nothing */
	char why[FY_MONITOR_WHY];
	enum view view;
	/* The engine that keys are about, by its file: rows change their places. */
	char chosen[FY_MONITOR_FILE_NAME];
};

static int chosen_row(const struct watch *watch)
{
	size_t i;

	for (i = 0; i < watch->host.n; i++)
		if (strcmp(watch->host.engines[i].copy.name, watch->chosen) == 0)
			return (int)i;
	return -1;
}

static void choose(struct watch *watch, int row)
{
	if (row >= 0 && (size_t)row < watch->host.n)
		memcpy(watch->chosen, watch->host.engines[row].copy.name, sizeof(watch->chosen));
}

/* ---- what is shown ----------------------------------------------------------------------- */

static void show_view(struct top_page *page, const struct watch *watch)
{
	int row = chosen_row(watch);

	if (!watch->readable)
		top_sentence(page, TOP_WRONG_STYLE, 0, watch->why);
	else if (watch->view == TABLE)
		top_table(page, &watch->host, row);
	else if (row < 0)
		top_line(page, TOP_PLAIN, "This engine has closed, and its file is gone. b: back");
	else if (watch->view == DETAIL)
		top_detail(page, &watch->host.engines[row]);
	else
		top_plot(page, &watch->host.engines[row]);
}

static void show_keys(struct top_page *page, const struct watch *watch)
{
	while (top_page_room(page) > 1)
		top_line(page, TOP_PLAIN, "%s", "");
	page->rows = 0;
	top_line(page, TOP_CHOSEN, "%s",
	         watch->view == TABLE
	                 ? "q: end  up, down: choose  enter: one engine  p: times  d: dead ones"
	                 : "q: end  b: back  enter: one engine  p: times  space: read now");
}

static void draw(const struct watch *watch)
{
	struct top_page page;
	int rows, columns;

	top_screen_size(&rows, &columns);
	if (rows < 2)
		return;
	top_page_init(&page, rows, columns, true);
	page.rows = rows - 1;
	show_view(&page, watch);
	page.rows = rows;
	show_keys(&page, watch);
	if (page.text)
		top_screen_show(page.text, page.used);
	top_page_free(&page);
}

/* ---- reading ----------------------------------------------------------------------------- */

static void look(struct watch *watch)
{
	struct top_host next;

	if (top_host_read(&next, &watch->wish, watch->readable ? &watch->host : NULL, watch->why)) {
		if (watch->readable)
			top_host_free(&watch->host);
		watch->readable = false;
		return;
	}
	watch->host = next;
	watch->readable = true;
	if (!*watch->chosen)
		choose(watch, 0);
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* ---- keys -------------------------------------------------------------------------------- */

static void move(struct watch *watch, int by)
{
	int row = chosen_row(watch);

	if (watch->view == TABLE)
		choose(watch, row < 0 ? 0 : row + by);
}

/* False: the end. */
static bool act(struct watch *watch, enum top_key key)
{
	switch (key) {
	case TOP_KEY_QUIT:
		return false;
	case TOP_KEY_UP:
		move(watch, -1);
		break;
	case TOP_KEY_DOWN:
		move(watch, 1);
		break;
	case TOP_KEY_ENTER:
		watch->view = DETAIL;
		break;
	case TOP_KEY_PLOT:
		watch->view = watch->view == PLOT ? DETAIL : PLOT;
		break;
	case TOP_KEY_BACK:
		watch->view = TABLE;
		break;
	case TOP_KEY_DEAD:
		watch->wish.dead = !watch->wish.dead;
		watch->view = TABLE;
		break;
	default:
		break;
	}
	return true;
}

static bool wants_reading(enum top_key key)
{
	return key == TOP_KEY_NONE || key == TOP_KEY_NOW || key == TOP_KEY_DEAD;
}

/* Keys are answered at once, from what was read last. */
static void run(struct watch *watch)
{
	int64_t next = now() + watch->options->interval, left;
	enum top_key key;

	for (;;) {
		left = next - now();
		key = left > 0 ? top_screen_wait(left) : TOP_KEY_NONE;
		if (!act(watch, key))
			return;
		if (wants_reading(key)) {
			look(watch);
			next = now() + watch->options->interval;
		}
		draw(watch);
	}
}

/* Whoever sent the signal sees that it ended this program. */
static void end_by_signal(int number)
{
	sigset_t all;

	if (!number || number == SIGINT)
		return;
	signal(number, SIG_DFL);
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	raise(number);
}

int top_watch(const struct top_options *options)
{
	struct watch watch = { .options = options };
	int status;

	watch.wish = (struct top_wish){ options->directory, options->which, options->dead };
	look(&watch);
	/* Who names one engine wants to see that one. */
	if (options->which && watch.readable && watch.host.n == 1)
		watch.view = DETAIL;
	top_screen_open(isatty(STDIN_FILENO) != 0);
	draw(&watch);
	run(&watch);
	top_screen_close();
	status = !watch.readable || top_host_wrong(&watch.host) || watch.host.n_unreadable;
	if (watch.readable)
		top_host_free(&watch.host);
	end_by_signal(top_screen_signal());
	return status;
}
