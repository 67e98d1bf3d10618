/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code of the program that the library calls (program.h has the rules): which threads are inside of
 * it, and how exit waits for them. Any thread.
 */
#include "base/program.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "ferry.h"
#include "base/barrier.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/order.h"

#define EXIT_WAITS FERRY_S(1)
#define EXIT_LOOKS FERRY_US(100)

FY_THREAD_LOCAL struct fy_program_inside *fy_program_inside;
static FY_THREAD_LOCAL const sigset_t *mask_to_take;
uint32_t fy_program_ending, fy_program_enter_fences;
const uint32_t fy_program_no_op = UINT32_MAX;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Under lock. It never gets shorter: a new thread takes the entry of one that has exited. */
static struct fy_program_inside *all;
/* Shared by threads for which there is no memory. Exit does not wait for these. */
static struct fy_program_inside not_known;
static pthread_key_t key; /* its destructor gives a thread's entry back */
static pthread_once_t key_once = PTHREAD_ONCE_INIT, begin_once = PTHREAD_ONCE_INIT;
static bool works; /* constant after key_once */
/* constant after begin_once. Differs in the child of a fork, where exit waits for nothing */
static pid_t process;

/* ---- threads ------------------------------------------------------------------------------ */

static void leave(void *mine)
{
	struct fy_program_inside *inside = mine;
	pthread_mutex_lock(&lock);
	inside->used = false;
	pthread_mutex_unlock(&lock);
	fy_program_inside = NULL;
}

static void make_key(void)
{
	works = pthread_key_create(&key, leave) == 0;
}

static struct fy_program_inside *take_one(void)
{
	pthread_mutex_lock(&lock);
	struct fy_program_inside *mine = all;
	while (mine && mine->used)
		mine = mine->next;
	if (!mine && (mine = aligned_alloc(FY_CACHE_LINE, FY_CACHE_LINE))) {
		*mine = (struct fy_program_inside){ .next = all };
		all = mine;
	}
	if (mine)
		mine->used = true;
	pthread_mutex_unlock(&lock);
	return mine;
}
_Static_assert(sizeof(struct fy_program_inside) <= FY_CACHE_LINE, "one line a thread");

void fy_program_mask(const sigset_t *mask)
{
	mask_to_take = mask;
}

const sigset_t *fy_program_mask_to_take(void)
{
	return mask_to_take;
}

struct fy_program_inside *fy_program_thread(void)
{
	if (mask_to_take)
		pthread_sigmask(SIG_SETMASK, mask_to_take, NULL);
	mask_to_take = NULL;
	pthread_once(&key_once, make_key);
	fy_program_inside = works ? take_one() : NULL;
	if (fy_program_inside && pthread_setspecific(key, fy_program_inside) != 0)
		leave(fy_program_inside);
	if (!fy_program_inside)
		fy_program_inside = &not_known;
	return fy_program_inside;
}

void fy_program_host_begin(struct fy_program_host *host, const sigset_t *mask)
{
	host->masked = mask && pthread_sigmask(SIG_SETMASK, mask, &host->mask) == 0;
	host->errors = fy_fail_begin_guest();
}

/* The mask is set even if the handlers had the same: one of them may have changed it. */
void fy_program_host_end(const struct fy_program_host *host)
{
	fy_fail_end_guest(host->errors);
	if (host->masked)
		pthread_sigmask(SIG_SETMASK, &host->mask, NULL);
}

/* ---- it does not return --------------------------------------------------------------------- */

static void say(const char *text)
{
	ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
	(void)ignored;
}

void fy_program_left(const char *what, uint32_t op)
{
	char text[200], of[32] = "";
	if (op != fy_program_no_op)
		snprintf(of, sizeof of, " of op %#x", op);
	snprintf(text, sizeof text,
	         "ferry: %s%s did not return: neither an exception nor pthread_exit may leave it. "
	         "The program ends here.\n",
	         what, of);
	say(text);
	abort();
}

/* ---- exit -------------------------------------------------------------- */

static bool is_anybody_inside(void)
{
	bool is = false;
	pthread_mutex_lock(&lock);
	for (struct fy_program_inside *inside = all; inside && !is; inside = inside->next)
		is = inside != fy_program_inside && fy_load_acquire_32(&inside->depth) != 0;
	pthread_mutex_unlock(&lock);
	return is;
}

void fy_program_end(void)
{
	const struct timespec look = { 0, EXIT_LOOKS };
	fy_store_release_32(&fy_program_ending, 1);
	fy_barrier_everywhere();
	int64_t until = fy_clock_now() + EXIT_WAITS;
	bool inside;
	while ((inside = is_anybody_inside()) && fy_clock_now() < until)
		nanosleep(&look, NULL);
	if (inside)
		say("ferry: exit goes on beside a handler or callback that has not returned for a "
		    "second\n");
}

static void at_exit(void)
{
	if (getpid() == process)
		fy_program_end();
}

static void begin(void)
{
	process = getpid();
	fy_program_enter_fences = !fy_barrier_is_everywhere();
	atexit(at_exit);
}

void fy_program_begin(void)
{
	pthread_once(&begin_once, begin);
}
