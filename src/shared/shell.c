/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of struct ferry, which is never given back to the system. Any thread, under one lock.
 * A closed engine goes to the end of a list, and its struct is used again once SHELLS_REST others
 * are behind it. So a thread with the pointer of an engine that another thread has just closed
 * looks at valid memory, finds the phase FY_STOPPED, and returns.
 */
#include "shared/shell.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/order.h"
#include "shared/engine.h"
#include "shared/mailbox.h"

/* How many other engines are closed before a struct is used again. All of them take 0.9 MB. */
#define SHELLS_REST 256u

static pthread_mutex_t shells_lock = PTHREAD_MUTEX_INITIALIZER;
/* under shells_lock: closed engines, the oldest first */
static ferry *shells, **shells_end = &shells;
static unsigned n_shells; /* under shells_lock */
static ferry *unseen;     /* under shells_lock: of opens that failed; no thread has had these */

/* A struct that may be used again, or NULL. */
static ferry *shell_take(void)
{
	pthread_mutex_lock(&shells_lock);
	ferry *e = unseen ? unseen : n_shells > SHELLS_REST ? shells : NULL;
	if (unseen) {
		unseen = e->shelf.next;
	} else if (e) {
		shells = e->shelf.next; /* never the last one */
		n_shells--;
	}
	pthread_mutex_unlock(&shells_lock);
	if (e) {
		pthread_mutex_destroy(&e->aside.lock);
		pthread_mutex_destroy(&e->mailbox.lock);
	}
	return e;
}

void fy_shell_rest(ferry *e)
{
	e->shelf.next = NULL;
	pthread_mutex_lock(&shells_lock);
	*shells_end = e;
	shells_end = &e->shelf.next;
	n_shells++;
	pthread_mutex_unlock(&shells_lock);
}

void fy_shell_put_unseen(ferry *e)
{
	pthread_mutex_lock(&shells_lock);
	e->shelf.next = unseen;
	unseen = e;
	pthread_mutex_unlock(&shells_lock);
}

ferry *fy_shell_get(void)
{
	ferry *e = shell_take();
	if (!e) {
		e = aligned_alloc(FY_CACHE_LINE, sizeof *e);
		if (e)
			*e = (ferry){ .phase = FY_STOPPED };
	}
	return e;
}
