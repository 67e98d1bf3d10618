/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the library asks the system for: sleep and wake-up, time, locks, threads, and what belongs
 * to a thread. Each is a step of the scheduler.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/program.h"
#include "base/waiting.h"
#include "schedules/run.h"

/* ---- base/futex.h, base/clock.h, base/barrier.h, base/place.h -------------------------------- */

void __wrap_fy_futex_wait(uint32_t *word, uint32_t expected, int64_t until, bool shared);
void __wrap_fy_futex_wake(uint32_t *word, int threads, bool shared);
int64_t __wrap_fy_clock_now(void);
int64_t __wrap_fy_clock_process(void);
void __wrap_fy_barrier_everywhere(void);
bool __wrap_fy_barrier_is_everywhere(void);
void __wrap_fy_place_as_process(void);
void __wrap_fy_waiting_begin(struct fy_waiting_place *place, const struct fy_wait *wait);
void __wrap_fy_waiting_end(const struct fy_waiting_place *place);
void __wrap_fy_waiting_set_role(enum fy_role role);

static const char *function_here(void)
{
	return run->threads[run->current].function;
}

void __wrap_fy_futex_wait(uint32_t *word, uint32_t expected, int64_t until, bool shared)
{
	(void)shared;
	run_step(word, false, "sleep", function_here());
	if (*word == expected && until > run->now)
		run_block(RUN_ON_WORD, word, until);
}

void __wrap_fy_futex_wake(uint32_t *word, int threads, bool shared)
{
	(void)shared;
	run_key_step(word, true, "wake", function_here());
	run_unblock(RUN_ON_WORD, word, threads);
}

int64_t __wrap_fy_clock_now(void)
{
	return ++run->now;
}

int64_t __wrap_fy_clock_process(void)
{
	return run->now;
}

void __wrap_fy_barrier_everywhere(void)
{
}

bool __wrap_fy_barrier_is_everywhere(void)
{
	return true;
}

void __wrap_fy_place_as_process(void)
{
}

/* What a thread waits for is told to nobody here: the records outlive a run. */
void __wrap_fy_waiting_begin(struct fy_waiting_place *place, const struct fy_wait *wait)
{
	(void)place;
	(void)wait;
}

void __wrap_fy_waiting_end(const struct fy_waiting_place *place)
{
	(void)place;
}

void __wrap_fy_waiting_set_role(enum fy_role role)
{
	(void)role;
}

/* ---- locks ------------------------------------------------------------------------------ */

int __wrap_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attributes);
int __wrap_pthread_mutex_destroy(pthread_mutex_t *lock);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock);

static uint32_t *owner_of(pthread_mutex_t *lock)
{
	return (uint32_t *)(void *)lock; /* 0, as PTHREAD_MUTEX_INITIALIZER has it, or thread + 1 */
}

int __wrap_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attributes)
{
	(void)attributes;
	memset(lock, 0, sizeof *lock);
	return 0;
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t *lock)
{
	if (run->running && *owner_of(lock))
		schedule_fail("a lock is destroyed that thread %u has", *owner_of(lock) - 1);
	return 0;
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *lock)
{
	run_step(lock, true, "lock", function_here());
	if (*owner_of(lock))
		return EBUSY;
	*owner_of(lock) = (uint32_t)run->current + 1;
	return 0;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
	while (__wrap_pthread_mutex_trylock(lock) != 0)
		run_block(RUN_ON_LOCK, lock, INT64_MAX);
	return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock)
{
	run_step(lock, true, "unlock", function_here());
	*owner_of(lock) = 0;
	run_unblock(RUN_ON_LOCK, lock, RUN_THREADS);
	return 0;
}

/* ---- threads ---------------------------------------------------------------------------- */

int __wrap_pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg);
int __wrap_pthread_join(pthread_t id, void **result_p);
int __wrap_pthread_detach(pthread_t id);
pthread_t __wrap_pthread_self(void);
int __wrap_pthread_setname_np(pthread_t id, const char *name);
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
int __wrap_pthread_setcancelstate(int state, int *old);
int __wrap_sched_yield(void);
int __wrap_nanosleep(const struct timespec *time, struct timespec *rest);

int __wrap_pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg)
{
	(void)attributes;
	*id = (pthread_t)run_start(fn, arg);
	return 0;
}

int __wrap_pthread_join(pthread_t id, void **result_p)
{
	(void)result_p;
	while (run->threads[id].state != RUN_ENDED)
		run_block(RUN_ON_THREAD, &run->threads[id], INT64_MAX);
	return 0;
}

int __wrap_pthread_detach(pthread_t id)
{
	(void)id;
	return 0;
}

pthread_t __wrap_pthread_self(void)
{
	return (pthread_t)run->current;
}

int __wrap_pthread_setname_np(pthread_t id, const char *name)
{
	(void)id;
	(void)name;
	return 0;
}

int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	(void)how;
	(void)set;
	if (old)
		sigemptyset(old);
	return 0;
}

int __wrap_pthread_setcancelstate(int state, int *old)
{
	(void)state;
	if (old)
		*old = PTHREAD_CANCEL_ENABLE;
	return 0;
}

int __wrap_sched_yield(void)
{
	run_yield(10000);
	return 0;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *rest)
{
	(void)rest;
	run_yield((int64_t)time->tv_sec * 1000000000 + time->tv_nsec);
	return 0;
}

/* ---- what belongs to a thread ------------------------------------------------------------ */

int __wrap_pthread_once(pthread_once_t *once, void (*fn)(void));
int __wrap_pthread_key_create(pthread_key_t *key, void (*free_fn)(void *));
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);
void *__wrap_pthread_getspecific(pthread_key_t key);

/* Nobody else goes on meanwhile. */
int __wrap_pthread_once(pthread_once_t *once, void (*fn)(void))
{
	static const pthread_once_t done = 1;
	if (*once == done)
		return 0;
	*once = done;
	bool running = run->running;
	run->running = false;
	fn();
	run->running = running;
	return 0;
}

int __wrap_pthread_key_create(pthread_key_t *key, void (*free_fn)(void *))
{
	if (run->keys == RUN_KEYS)
		return EAGAIN;
	run->key_free[run->keys] = free_fn;
	*key = run->keys++;
	return 0;
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
	run->threads[run->current].keys[key] = (void *)(uintptr_t)value;
	return 0;
}

void *__wrap_pthread_getspecific(pthread_key_t key)
{
	return run->threads[run->current].keys[key];
}

/* What base/program.h keeps for a thread is listed there for ever. Here it is a static variable, so
 * that all other memory has to be freed. */
struct fy_program_inside *__wrap_fy_program_thread(void);
struct fy_program_inside *__wrap_fy_program_thread(void)
{
	static struct fy_program_inside inside[RUN_THREADS + 1];
	return fy_program_inside = &inside[run->current];
}

void system_thread_ends(struct run_thread *thread)
{
	for (unsigned key = 0; key < run->keys; key++) {
		void *value = thread->keys[key];
		thread->keys[key] = NULL;
		if (value && run->key_free[key])
			run->key_free[key](value);
	}
}
