/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of struct ferry, which is never given back to the system. Any thread, under one lock.
 * Closed engines go to the end of a list and are used again when SHELLS_REST others have come
 * behind them. So a thread that holds the pointer of an engine that another thread closed a moment
 * ago looks at valid memory, finds the phase FY_STOPPED, and goes away.
 */
#include "shared/shell.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/order.h"
#include "shared/engine.h"
#include "shared/mailbox.h"

/* 0.9 MB; how many other engines are closed before a struct is used again */
#define SHELLS_REST 256u

static pthread_mutex_t shells_lock = PTHREAD_MUTEX_INITIALIZER;
/* under shells_lock: closed engines, the oldest first */
static ferry *shells, **shells_end = &shells;
static unsigned n_shells; /* likewise */
static ferry *unseen;     /* likewise: of opens that failed, which no thread has ever had */

/* One that has rested or needs no rest, or NULL. */
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
