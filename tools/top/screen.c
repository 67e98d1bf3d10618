/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "screen.h"

#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"

static struct termios before; /* the terminal's settings */
static bool with_keys, is_open;
/* Written by the handlers of signals, read by the loop, which their arrival wakes. */
static volatile sig_atomic_t ended, changed, stopped;
/* Signals come while the loop waits, and at no other time: so none is lost before the wait. */
static sigset_t outside;

static void say(const char *text, size_t length)
{
	ssize_t n;

	for (; length; text += n, length -= (size_t)n) {
		n = write(STDOUT_FILENO, text, length);
		if (n < 0 && errno != EINTR)
			return;
		if (n < 0)
			n = 0;
	}
}

void top_screen_size(int *rows, int *columns)
{
	struct winsize size;
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;

	*rows = known && size.ws_row ? size.ws_row : 24;
	*columns = known && size.ws_col ? size.ws_col : 80;
}

/* ---- signals ----------------------------------------------------------------------------- */

static void note(int number)
{
	if (number == SIGWINCH || number == SIGCONT)
		changed = 1;
	else if (number == SIGTSTP)
		stopped = 1;
	else
		ended = number;
}

static void watch_signals(void)
{
	static const int numbers[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT
	};
	struct sigaction action;
	sigset_t mine;
	size_t i;

	memset(&action, 0, sizeof(action));
	action.sa_handler = note;
	sigemptyset(&mine);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		sigaction(numbers[i], &action, NULL);
		sigaddset(&mine, numbers[i]);
	}
	sigprocmask(SIG_BLOCK, &mine, &outside);
}

int top_screen_signal(void)
{
	return ended;
}

/* ---- take and give back ------------------------------------------------------------------ */

static void enter(void)
{
	struct termios raw = before;

	say(ENTER, sizeof(ENTER) - 1);
	if (!with_keys)
		return;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
}

static void leave(void)
{
	say(LEAVE, sizeof(LEAVE) - 1);
	if (with_keys)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
}

void top_screen_open(bool keys)
{
	with_keys = keys && tcgetattr(STDIN_FILENO, &before) == 0;
	watch_signals();
	enter();
	is_open = true;
	atexit(top_screen_close);
}

void top_screen_close(void)
{
	if (is_open)
		leave();
	is_open = false;
}

/* ctrl-z: the shell gets its terminal as it was. */
static void rest(void)
{
	stopped = 0;
	leave();
	raise(SIGSTOP);
	enter();
	changed = 1;
}

/* ---- what is shown ----------------------------------------------------------------------- */

/* Lines are drawn over those before, each cleared to its end, so that nothing flickers. */
void top_screen_show(const char *text, size_t length)
{
	static char drawn[65536];
	size_t i, used = 0;

	used += (size_t)(stpcpy(drawn, "\033[H") - drawn);
	for (i = 0; i < length && used < sizeof(drawn) - 16; i++) {
		/* The last line has no newline: the screen would move. */
		if (text[i] != '\n')
			drawn[used++] = text[i];
		else if (i + 1 < length)
			used = (size_t)(stpcpy(drawn + used, "\033[K\r\n") - drawn);
	}
	used = (size_t)(stpcpy(drawn + used, "\033[K\033[J") - drawn);
	say(drawn, used);
}

/* ---- keys -------------------------------------------------------------------------------- */

static enum top_key arrow(char last)
{
	return last == 'A' ? TOP_KEY_UP : last == 'B' ? TOP_KEY_DOWN : TOP_KEY_OTHER;
}

static enum top_key letter(char key)
{
	static const struct {
		char letter;
		enum top_key key;
	} known[] = {
		{ 'q', TOP_KEY_QUIT },    { 'k', TOP_KEY_UP },     { 'j', TOP_KEY_DOWN },
		{ '\n', TOP_KEY_ENTER },  { '\r', TOP_KEY_ENTER }, { 'b', TOP_KEY_BACK },
		{ '\033', TOP_KEY_BACK }, { ' ', TOP_KEY_NOW },    { 'd', TOP_KEY_DEAD },
		{ 'p', TOP_KEY_PLOT },
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].letter == key)
			return known[i].key;
	return TOP_KEY_OTHER;
}

static enum top_key read_key(void)
{
	char keys[8];
	ssize_t n = read(STDIN_FILENO, keys, 1);

	if (n <= 0)
		return n < 0 && errno == EINTR ? TOP_KEY_OTHER : TOP_KEY_QUIT;
	/* An arrow is an escape with more behind it, all at once. */
	if (keys[0] == '\033' && read(STDIN_FILENO, keys + 1, 2) == 2 &&
	    (keys[1] == '[' || keys[1] == 'O'))
		return arrow(keys[2]);
	return letter(keys[0]);
}

enum top_key top_screen_wait(int64_t ns)
{
	struct timespec time = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
	struct pollfd input = { STDIN_FILENO, POLLIN, 0 };
	int n = ppoll(&input, with_keys, &time, &outside);

	if (ended)
		return TOP_KEY_QUIT;
	if (stopped)
		rest();
	if (changed) {
		changed = 0;
		return TOP_KEY_CHANGE;
	}
	return n > 0 ? read_key() : TOP_KEY_NONE;
}
