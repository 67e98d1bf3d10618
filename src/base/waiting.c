/* SPDX-License-Identifier: Apache-2.0 */
/* What threads wait for: their records. Any thread writes its own, any thread reads all. */
#include "base/waiting.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/order.h"
#include "base/place.h"

#define WORDS (sizeof(struct fy_wait) / sizeof(uint64_t))

struct record {
	/* 1: a thread has it. Taken by that thread (compare-and-swap), given back when it exits
	 * (release) */
	uint32_t taken;
	/* odd while the thread writes what follows: written by it (release), read by all
	 * (acquire) */
	uint32_t turn;
	/* written by the thread (relaxed) between two values of `turn`, read by all (acquire) */
	uint32_t tid, role;
	uint64_t number, words[WORDS];
	struct record *next; /* constant once the record is in the list of a process */
};

static struct {
	struct record *first; /* compare-and-swap by threads that add one, read by all (acquire) */
	pthread_key_t key;    /* gives the record of a thread that exits back */
	bool has_key;         /* constant once that was tried */
	struct record *of_parents; /* nobody uses these any more; written in the child of a fork */
} records;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static FY_THREAD_LOCAL struct record *own;
static FY_THREAD_LOCAL struct fy_waiting_name name;

/* ---- writing ------------------------------------------------------------------------------- */

static void begin_turn(struct record *r)
{
	fy_store_relaxed_32(&r->turn, r->turn + 1);
	fy_fence_full(); /* nobody sees a new word with the old turn */
}

static void end_turn(struct record *r)
{
	fy_store_release_32(&r->turn, r->turn + 1);
}

static void put(struct record *r, const struct fy_wait *wait)
{
	uint64_t words[WORDS];
	memcpy(words, wait, sizeof words);
	begin_turn(r);
	for (size_t i = 0; i < WORDS; i++)
		fy_store_relaxed_64(&r->words[i], words[i]);
	fy_store_relaxed_64(&r->number, r->number + 1);
	end_turn(r);
}

static void get(const struct record *r, struct fy_wait *wait)
{
	uint64_t words[WORDS];
	for (size_t i = 0; i < WORDS; i++)
		words[i] = fy_load_relaxed_64(&r->words[i]);
	memcpy(wait, words, sizeof words);
}

/* ---- the record of a thread ---------------------------------------------------------------- */

static void give_back(void *arg)
{
	struct record *r = arg;
	static const struct fy_wait none;
	put(r, &none);
	begin_turn(r); /* the system may give the number to another thread */
	fy_store_relaxed_32(&r->tid, 0);
	fy_store_relaxed_32(&r->role, FY_ROLE_PROGRAM);
	end_turn(r);
	own = NULL;
	fy_store_release_32(&r->taken, 0);
}

/* Only the thread that forked is left, and the system has numbered it anew. The records of the
 * parent are not freed: a signal handler that forks may stand in the middle of one. */
static void in_child(void)
{
	struct record **last = &records.of_parents;
	while (*last)
		last = &(*last)->next;
	*last = records.first;
	records.first = NULL;
	own = NULL;
}

static void prepare(void)
{
	records.has_key = pthread_key_create(&records.key, give_back) == 0;
	pthread_atfork(NULL, NULL, in_child);
}

static struct record *find_free(void)
{
	struct record *r = fy_load_acquire_ptr(&records.first);
	while (r && !(!fy_load_relaxed_32(&r->taken) && fy_cas_32(&r->taken, 0, 1)))
		r = r->next;
	return r;
}

static struct record *add(void)
{
	struct record *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	r->taken = 1;
	do
		r->next = fy_load_acquire_ptr(&records.first);
	while (!fy_cas_ptr(&records.first, r->next, r));
	return r;
}

/* NULL: no memory. Then the thread seems to be outside of Ferry. */
static struct record *own_record(void)
{
	if (own)
		return own;
	pthread_once(&once, prepare);
	struct record *r = records.has_key ? find_free() : NULL;
	if (!r && !(r = add()))
		return NULL;
	begin_turn(r);
	fy_store_relaxed_32(&r->tid, (uint32_t)fy_place_thread());
	fy_store_relaxed_32(&r->role, FY_ROLE_PROGRAM);
	end_turn(r);
	if (records.has_key)
		pthread_setspecific(records.key, r);
	own = r;
	return r;
}

/* ---- what others call ---------------------------------------------------------------------- */

struct fy_wait fy_waiting_of(enum fy_waits kind, const void *engine, const void *object,
                             int64_t until)
{
	return (struct fy_wait){ .kind = kind,
		                 .op = FERRY_ANY_OP,
		                 .peer = FY_WAITS_NOBODY,
		                 .engine = engine,
		                 .object = object,
		                 .until = until };
}

void fy_waiting_begin(struct fy_waiting_place *place, const struct fy_wait *wait)
{
	struct record *r = own_record();
	struct fy_wait now = *wait;
	*place = (struct fy_waiting_place){ 0 };
	if (!r)
		return;
	now.since = fy_clock_now();
	get(r, &place->before);
	put(r, &now);
}

void fy_waiting_end(const struct fy_waiting_place *place)
{
	if (own)
		put(own, &place->before);
}

struct fy_waiting_name fy_waiting_name(enum fy_waits kind, int peer)
{
	struct fy_waiting_name before = name;
	name = (struct fy_waiting_name){ kind, peer };
	return before;
}

void fy_waiting_unname(struct fy_waiting_name before)
{
	name = before;
}

struct fy_waiting_name fy_waiting_named(void)
{
	return name;
}

void fy_waiting_set_role(enum fy_role role)
{
	struct record *r = own_record();
	if (!r)
		return;
	begin_turn(r);
	fy_store_relaxed_32(&r->role, role);
	end_turn(r);
}

/* ---- reading ------------------------------------------------------------------------------- */

#define TRIES 100 /* a thread writes for some nanoseconds, if it is not preempted there */

static bool read_once(const struct record *r, struct fy_waiting *seen)
{
	uint64_t words[WORDS];
	uint32_t turn = fy_load_acquire_32(&r->turn);
	if (turn & 1)
		return false;
	seen->tid = (int32_t)fy_load_acquire_32(&r->tid);
	seen->role = fy_load_acquire_32(&r->role);
	seen->number = fy_load_acquire_64(&r->number);
	for (size_t i = 0; i < WORDS; i++)
		words[i] = fy_load_acquire_64(&r->words[i]);
	memcpy(&seen->wait, words, sizeof words);
	return fy_load_acquire_32(&r->turn) == turn;
}

/* One that is caught in the middle is a thread that runs. */
static void read_record(const struct record *r, struct fy_waiting *seen)
{
	int tries = 0;
	while (!read_once(r, seen) && ++tries < TRIES)
		fy_pause();
	if (tries == TRIES)
		*seen = (struct fy_waiting){ .tid = (int32_t)fy_load_acquire_32(&r->tid) };
}

size_t fy_waiting_read(struct fy_waiting *list, size_t max)
{
	size_t n = 0;
	for (struct record *r = fy_load_acquire_ptr(&records.first); r; r = r->next) {
		struct fy_waiting seen;
		if (!fy_load_acquire_32(&r->taken))
			continue;
		read_record(r, &seen);
		if (n < max)
			list[n] = seen;
		n++;
	}
	return n;
}
