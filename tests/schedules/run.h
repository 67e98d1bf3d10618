/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of a case, with one schedule. run.c has the threads, choice.c which of them go on,
 * memory.c their memory, system.c what they ask the system for. All of that lies outside of what is
 * put back between two runs (`run` points to it).
 */
#ifndef SCHEDULES_RUN_H
#define SCHEDULES_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "schedules/schedule.h"

#define RUN_THREADS 6        /* with those that the library starts */
#define RUN_MAIN RUN_THREADS /* begin and end run there */
#define RUN_STEPS_MAX 20000u
#define RUN_KEYS 8
#define RUN_STACK (256u * 1024)

enum run_state { RUN_UNUSED, RUN_READY, RUN_ON_WORD, RUN_ON_LOCK, RUN_ON_THREAD, RUN_ENDED };

struct run_thread {
	ucontext_t context;
	char *stack;
	char *locals; /* its copy of the section ferry_locals while others run */
	enum run_state state;
	const void *on; /* what it waits for */
	int64_t since, until;
	const char *function; /* where it took its last step */
	void *(*fn)(void *);
	void *arg;
	void *keys[RUN_KEYS];
	/* a store that is late: a mistake */
	struct {
		void *word;
		uint64_t value;
		unsigned bytes, age;
	} late;
};

struct run {
	const struct schedule_case *what;
	const struct schedule_mistake *mistake;
	struct run_thread threads[RUN_THREADS + 1];
	ucontext_t main, failing;
	int current; /* RUN_MAIN: begin or end */
	bool running;
	bool failed, told; /* told: say each step */
	char sentence[320];
	unsigned steps, preemptions, preemptions_max;
	int64_t now;
	void (*key_free[RUN_KEYS])(void *);
	unsigned keys;
};
extern struct run *run;

/* ---- run.c ---- */
void run_once(void);
/* Before a step at a word. `writes`: it may change the word. */
void run_step(const void *word, bool writes, const char *what, const char *function);
/* The same where the address is only a key: the memory may be freed. */
void run_key_step(const void *word, bool writes, const char *what, const char *function);
/* This thread does not go on until `state` becomes RUN_READY. */
void run_block(enum run_state state, const void *on, int64_t until);
/* Who waits for this goes on; at most `count`. */
void run_unblock(enum run_state state, const void *on, int count);
void run_yield(int64_t takes);
int run_start(void *(*fn)(void *), void *arg);

/* ---- choice.c ---- */
void choice_begin(void); /* a run */
/* Which of `count` goes on: threads[0] unless the schedule says another one. */
unsigned choice_take(const int *threads, unsigned count);
/* Has more than one thread used this word, and one written it? */
bool choice_is_shared(const void *word, bool writes);

/* ---- memory.c ---- */
void memory_begin(void);
bool memory_is_freed(const void *at);
unsigned memory_pieces(void);
void memory_keep_statics(void);
void memory_restore_statics(void);

/* ---- system.c ---- */
void system_thread_ends(struct run_thread *thread);

#endif
