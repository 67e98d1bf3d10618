/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread's last error. Any thread. A function that fails notes a sentence here and returns the
 * status. The texts are in memory that is made at a thread's first error and freed when it exits.
 * A thread of the program that runs a handler while it waits has other texts meanwhile.
 */
#include "base/fail.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/order.h"

#define LAST_ERROR_BYTES 256

/*
 * The texts are too long for static thread-local storage: all libraries that a program loads late
 * share a few hundred bytes of that.
 */
struct texts {
	char error[LAST_ERROR_BYTES];
	char other[FY_TEXT_BYTES];
};

/* never written */
static struct texts no_memory = { .error = "memory is exhausted, also for the reason" };
static FY_THREAD_LOCAL struct texts *texts;
/* While a thread of the program runs a handler of FERRY_ANYWHERE these are its own, else those of
 * such handlers. */
static FY_THREAD_LOCAL struct texts *others;
static pthread_key_t key; /* its destructor frees the texts of a thread that exits */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool works; /* constant after once */

static void let_go(struct texts **of)
{
	if (*of != &no_memory)
		free(*of);
	*of = NULL;
}

static void leave(void *unused)
{
	(void)unused; /* the last that was made; there may be two */
	let_go(&texts);
	let_go(&others);
}

static void make_key(void)
{
	works = pthread_key_create(&key, leave) == 0;
}

/* This thread's texts, or `no_memory`, which nobody writes to. */
static struct texts *my_texts(void)
{
	if (texts && texts != &no_memory)
		return texts;
	pthread_once(&once, make_key);
	texts = works ? calloc(1, sizeof *texts) : NULL;
	if (texts && pthread_setspecific(key, texts) == 0)
		return texts;
	free(texts);
	return texts = &no_memory;
}

void fy_fail_swap(void)
{
	struct texts *mine = texts;

	texts = others;
	others = mine;
}

char *fy_fail_text(void)
{
	struct texts *mine = my_texts();

	return mine == &no_memory ? NULL : mine->other;
}

const char *ferry_last_error(void)
{
	return texts ? texts->error : "";
}

int(fy_fail)(int status, const char *format, ...)
{
	/* Through a second buffer, because an argument may be the last error itself. */
	char text[LAST_ERROR_BYTES];
	struct texts *mine = my_texts();
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (mine != &no_memory)
		snprintf(mine->error, sizeof mine->error, "%s", text);
	return status;
}
