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
	/* Of a thread of the program: those of the handlers that it runs while it waits. Kept until
	 * it exits, like its own. */
	struct texts *of_guests;
};

/* never written */
static struct texts no_memory = { .error = "memory is exhausted, also for the reason" };
static FY_THREAD_LOCAL struct texts *texts;
static pthread_key_t key; /* its destructor frees the texts of a thread that exits */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool works; /* constant after once */

static void let_go(struct texts *of)
{
	if (of == &no_memory)
		return;
	if (of)
		let_go(of->of_guests);
	free(of);
}

static void leave(void *mine)
{
	texts = NULL;
	let_go(mine);
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

void *fy_fail_begin_guest(void)
{
	struct texts *mine = texts;

	texts = mine ? mine->of_guests : NULL;
	return mine;
}

void fy_fail_end_guest(void *before)
{
	struct texts *mine = before, *of_guests = texts;

	texts = mine;
	if (of_guests == (mine ? mine->of_guests : NULL))
		return;
	/* They are new. If this thread has not failed yet there is no place for them. */
	if (!mine)
		mine = my_texts();
	if (mine != &no_memory) {
		mine->of_guests = of_guests;
	} else {
		let_go(of_guests);
		texts = before;
	}
	if (works)
		pthread_setspecific(key, mine == &no_memory ? NULL : mine);
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
