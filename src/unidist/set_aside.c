/* SPDX-License-Identifier: Apache-2.0 */
/* What the communication routines keep between two calls: the engine's list. Any thread.
 * set_aside.h says what is in it. */
#include "unidist/set_aside.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/order.h"
#include "shared/engine.h"

struct fy_exchange {
	pthread_mutex_t lock;
	struct fy_set_aside *first; /* under lock */
};

uint64_t fy_set_aside_thread(void)
{
	static uint64_t last;          /* atomic add by all threads */
	static __thread uint64_t mine; /* this thread's number */
	if (!mine)
		mine = fy_add_64(&last, 1) + 1;
	return mine;
}

static void exchange_free(void *slot)
{
	struct fy_exchange *x = slot;
	while (x->first) {
		struct fy_set_aside *kept = x->first;
		x->first = kept->next;
		ferry_message_release(kept->message);
		free(kept);
	}
	pthread_mutex_destroy(&x->lock);
	free(x);
}

static struct fy_exchange *exchange_create(void)
{
	struct fy_exchange *x = calloc(1, sizeof *x);
	if (x)
		pthread_mutex_init(&x->lock, NULL);
	return x;
}

int fy_set_aside_of(ferry *engine, struct fy_exchange **exchange_p)
{
	void **slot = fy_engine_slot(engine, exchange_free);
	struct fy_exchange *x = slot ? fy_load_acquire_ptr(slot) : NULL;
	if (slot && !x) {
		x = exchange_create();
		if (x && !fy_cas_ptr(slot, NULL, x)) {
			exchange_free(x);
			x = fy_load_acquire_ptr(slot);
		}
	}
	if (!x)
		return fy_fail(FERRY_ENOMEM, "no memory for the communication routines");
	*exchange_p = x;
	return FERRY_OK;
}

void fy_set_aside_put(struct fy_exchange *x, struct fy_set_aside *kept)
{
	pthread_mutex_lock(&x->lock);
	kept->next = x->first;
	x->first = kept;
	pthread_mutex_unlock(&x->lock);
}

static bool is_from(const ferry_message *message, int source)
{
	return source == FERRY_ANY || ferry_message_source(message) == source;
}

struct fy_set_aside *fy_set_aside_take(struct fy_exchange *x, uint64_t thread, int source)
{
	pthread_mutex_lock(&x->lock);
	struct fy_set_aside **link = &x->first;
	while (*link && ((*link)->thread != thread || !is_from((*link)->message, source)))
		link = &(*link)->next;
	struct fy_set_aside *kept = *link;
	if (kept)
		*link = kept->next;
	pthread_mutex_unlock(&x->lock);
	return kept;
}
