/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of a run, and their steps. Each is a context of the one thread that the program has;
 * a switch exchanges the stack and what is a thread's own.
 */
#include "schedules/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "schedules/step.h"

struct run *run;

/* The section is there, whatever is linked. */
static FY_THREAD_LOCAL char nothing[FY_CACHE_LINE] __attribute__((used));
extern char __start_ferry_locals[], __stop_ferry_locals[];

static size_t locals_size(void)
{
	return (size_t)(__stop_ferry_locals - __start_ferry_locals);
}

int64_t schedule_now(void)
{
	return run->now;
}

void schedule_fail(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	vsnprintf(run->sentence, sizeof run->sentence, format, list);
	va_end(list);
	run->failed = true;
	setcontext(&run->failing);
	abort();
}

static struct run_thread *here(void)
{
	return &run->threads[run->current];
}

/* ---- who goes on ------------------------------------------------------------------------ */

static void go(int to)
{
	int from = run->current;
	if (run->threads[to].state != RUN_READY && run->threads[to].until > run->now)
		run->now = run->threads[to].until; /* its time is up early */
	run->threads[to].state = RUN_READY;
	if (to == from)
		return;
	memcpy(run->threads[from].locals, __start_ferry_locals, locals_size());
	memcpy(__start_ferry_locals, run->threads[to].locals, locals_size());
	run->current = to;
	swapcontext(&run->threads[from].context, &run->threads[to].context);
}

static bool may_end_early(const struct run_thread *t)
{
	return run->what->early && t->state == RUN_ON_WORD && t->until != INT64_MAX;
}

/* Those that are ready, from the one behind the current one on; or those that may be early. */
static unsigned add_others(int *to, unsigned count, bool early)
{
	for (int i = 1; i < RUN_THREADS; i++) {
		int other = (run->current + i) % RUN_THREADS;
		const struct run_thread *t = &run->threads[other];
		if (early ? may_end_early(t) : t->state == RUN_READY)
			to[count++] = other;
	}
	return count;
}

/* `count` of them are for nothing, the others cost a preemption. */
static void choose(int *to, unsigned count)
{
	unsigned all = count;
	if (run->preemptions < run->preemptions_max) {
		if (to[0] == run->current)
			all = add_others(to, all, false);
		all = add_others(to, all, true);
		if (may_end_early(here()))
			to[all++] = run->current;
	}
	unsigned taken = choice_take(to, all);
	if (taken >= count)
		run->preemptions++;
	go(to[taken]);
}

/* The next one goes on, for nothing; another one costs a preemption. */
static void choose_after_yield(int *to, unsigned ready)
{
	unsigned taken = choice_take(to, run->preemptions < run->preemptions_max ? ready : 1);
	if (taken > 0)
		run->preemptions++;
	go(to[taken]);
}

/* ---- time ------------------------------------------------------------------------------- */

static void end_waits(void)
{
	for (int i = 0; i < RUN_THREADS; i++) {
		struct run_thread *t = &run->threads[i];
		if (t->state != RUN_ON_WORD || t->until > run->now)
			continue;
		if (!run->what->early && run->now - t->since > run->what->longest)
			schedule_fail("thread %d sleeps in %s, and nobody wakes it in %lld us", i,
			              t->function, (long long)(run->now - t->since) / 1000);
		t->state = RUN_READY;
	}
}

static void time_is(int64_t now)
{
	run->now = now;
	if (run->what->tick)
		run->what->tick(now);
	end_waits();
}

/* All sleep: go to where the first of them wakes by itself. */
static bool time_passes(void)
{
	int64_t first = INT64_MAX;
	for (int i = 0; i < RUN_THREADS; i++)
		if (run->threads[i].state == RUN_ON_WORD && run->threads[i].until < first)
			first = run->threads[i].until;
	if (first == INT64_MAX)
		return false;
	time_is(first > run->now ? first : run->now);
	return true;
}

/* ---- steps ------------------------------------------------------------------------------ */

static void write_word(void *word, uint64_t value, unsigned bytes)
{
	memcpy(word, &value, bytes); /* the least byte first, as everywhere that the library runs */
}

static uint64_t read_word(const void *word, unsigned bytes)
{
	uint64_t value = 0;
	memcpy(&value, word, bytes);
	return value;
}

static void make_visible(struct run_thread *t)
{
	if (t->late.word)
		write_word(t->late.word, t->late.value, t->late.bytes);
	t->late.word = NULL;
	t->late.age = 0;
}

static void after_step(void)
{
	if (here()->late.word)
		here()->late.age++;
}

static bool is_mistaken(const char *function, const char *what, int how)
{
	const struct schedule_mistake *m = run->mistake;
	return m && run->current != RUN_MAIN && (int)m->how == how &&
	       strcmp(m->function, function) == 0 && strcmp(m->operation, what) == 0;
}

static void count_step(const char *what, const char *function)
{
	here()->function = function;
	if (++run->steps > RUN_STEPS_MAX)
		schedule_fail("no end after %u steps; thread %d is in %s", RUN_STEPS_MAX,
		              run->current, function);
	if (run->told)
		printf("# %5u thread %d: %s in %s\n", run->steps, run->current, what, function);
}

void run_key_step(const void *word, bool writes, const char *what, const char *function)
{
	int me[2 * RUN_THREADS + 1] = { run->current };
	if (!run->running || run->current == RUN_MAIN)
		return;
	count_step(what, function);
	bool shows = here()->late.age > 1; /* what is late becomes visible, which is a step, too */
	if (choice_is_shared(word, writes) || shows)
		choose(me, 1);
	if (shows)
		make_visible(here());
}

void run_step(const void *word, bool writes, const char *what, const char *function)
{
	run_key_step(word, writes, what, function);
	if (run->running && memory_is_freed(word))
		schedule_fail("thread %d touches memory that was freed, by a %s in %s",
		              run->current, what, function);
}

/* The thread sleeps or ends: nothing of it is late any more. */
static void show_late(void)
{
	int me[2 * RUN_THREADS + 1] = { run->current };
	if (!here()->late.word)
		return;
	run->steps++;
	choose(me, 1);
	make_visible(here());
}

/* Nobody but this thread may have gone before it; it does not go on. */
static void leave(void)
{
	int to[2 * RUN_THREADS + 1];
	char all[200] = "";
	unsigned count, used = 0;
	bool ended = true;
	while ((count = add_others(to, 0, false)) == 0 && here()->state != RUN_READY) {
		if (!time_passes())
			break;
	}
	if (here()->state == RUN_READY) /* the first whose time is up goes first */
		to[count++] = run->current;
	if (count) {
		choose(to, count);
		return;
	}
	for (int i = 0; i < RUN_THREADS; i++) {
		const struct run_thread *t = &run->threads[i];
		if (t->state == RUN_UNUSED || t->state == RUN_ENDED)
			continue;
		ended = false;
		used += (unsigned)snprintf(all + used, sizeof all - used, ", thread %d in %s", i,
		                           t->function);
	}
	if (!ended)
		schedule_fail("nobody can go on%s", all);
	setcontext(&run->main);
}

void run_block(enum run_state state, const void *on, int64_t until)
{
	struct run_thread *me = here();
	if (run->current == RUN_MAIN)
		schedule_fail("begin or end of the case would wait in %s", me->function);
	show_late();
	me->state = state;
	me->on = on;
	me->since = run->now;
	me->until = until;
	run->steps++;
	leave();
}

void run_unblock(enum run_state state, const void *on, int count)
{
	for (int i = 0; i < RUN_THREADS && count > 0; i++) {
		if (run->threads[i].state != state || run->threads[i].on != on)
			continue;
		run->threads[i].state = RUN_READY;
		count--;
	}
}

void run_yield(int64_t takes)
{
	int to[2 * RUN_THREADS + 1];
	if (!run->running || run->current == RUN_MAIN)
		return;
	count_step("yield", here()->function ? here()->function : "");
	make_visible(here());
	time_is(run->now + takes);
	unsigned ready = add_others(to, 0, false);
	if (ready)
		choose_after_yield(to, ready);
}

void schedule_yield(void)
{
	run_yield(1000);
}

/* ---- the steps of step.h ----------------------------------------------------------------- */

uint64_t schedule_load(const void *word, unsigned bytes, const char *what, const char *function)
{
	run_step(word, false, what, function);
	uint64_t value = here()->late.word == word ? here()->late.value : read_word(word, bytes);
	after_step();
	return value;
}

static void write_as_meant(void *word, uint64_t value, unsigned bytes, const char *what,
                           const char *function)
{
	if (here()->late.word == word)
		make_visible(here());
	if (is_mistaken(function, what, SCHEDULE_LATE)) {
		make_visible(here());
		here()->late.word = word;
		here()->late.value = value;
		here()->late.bytes = bytes;
		here()->late.age = 0;
	} else if (!is_mistaken(function, what, SCHEDULE_LEFT_OUT)) {
		write_word(word, value, bytes);
	}
	after_step();
}

void schedule_store(void *word, uint64_t value, unsigned bytes, const char *what,
                    const char *function)
{
	run_step(word, true, what, function);
	write_as_meant(word, value, bytes, what, function);
}

/* The first half of a read-modify-write. */
static uint64_t read_to_change(void *word, unsigned bytes, const char *what, const char *function)
{
	run_step(word, true, what, function);
	if (here()->late.word == word)
		make_visible(here());
	uint64_t before = read_word(word, bytes);
	if (is_mistaken(function, what, SCHEDULE_SPLIT))
		run_step(word, true, what, function);
	return before;
}

uint64_t schedule_change(void *word, enum schedule_how how, uint64_t operand, unsigned bytes,
                         const char *function)
{
	static const char *const names[] = { "swap", "add", "or" };
	uint64_t before = read_to_change(word, bytes, names[how], function);
	uint64_t after = how == SCHEDULE_SWAP  ? operand
	                 : how == SCHEDULE_ADD ? before + operand
	                                       : (before | operand);
	write_as_meant(word, after, bytes, names[how], function);
	return before;
}

bool schedule_cas(void *word, uint64_t expected, uint64_t desired, unsigned bytes, void *old,
                  const char *function)
{
	uint64_t before = read_to_change(word, bytes, "cas", function);
	if (old)
		memcpy(old, &before, bytes);
	if (before == expected)
		write_as_meant(word, desired, bytes, "cas", function);
	else
		after_step();
	return before == expected;
}

/* ---- one run ------------------------------------------------------------------------------ */

static void thread_main(void)
{
	struct run_thread *me = here();
	me->fn(me->arg);
	system_thread_ends(me);
	show_late();
	me->state = RUN_ENDED;
	run->steps++; /* each choice has a step of its own */
	run_unblock(RUN_ON_THREAD, me, RUN_THREADS);
	leave();
}

int run_start(void *(*fn)(void *), void *arg)
{
	int i = 0;
	while (i < RUN_THREADS && run->threads[i].state != RUN_UNUSED)
		i++;
	if (i == RUN_THREADS)
		schedule_fail("a case has at most %d threads", RUN_THREADS);
	struct run_thread *t = &run->threads[i];
	t->state = RUN_READY;
	t->fn = fn;
	t->arg = arg;
	t->function = "its beginning";
	memset(t->locals, 0, locals_size());
	getcontext(&t->context);
	t->context.uc_stack.ss_sp = t->stack;
	t->context.uc_stack.ss_size = RUN_STACK;
	makecontext(&t->context, thread_main, 0);
	return i;
}

static void *run_case_thread(void *arg)
{
	run->what->threads[(uintptr_t)arg]();
	return NULL;
}

static void forget_threads(void)
{
	for (int i = 0; i <= RUN_THREADS; i++) {
		struct run_thread *t = &run->threads[i];
		if (!t->stack) {
			t->stack = malloc(RUN_STACK);
			t->locals = malloc(locals_size() + 1);
		}
		t->state = RUN_UNUSED;
		t->function = "its beginning";
		t->late.word = NULL;
		memset(t->keys, 0, sizeof t->keys);
	}
	memset(__start_ferry_locals, 0, locals_size());
}

/* begin, or end: alone, on the stack of the program. */
static void alone(void (*part)(void))
{
	run->current = RUN_MAIN;
	if (part)
		part();
}

/* The threads, until all have ended. */
static void together(void)
{
	volatile bool back = false;
	memcpy(run->threads[RUN_MAIN].locals, __start_ferry_locals, locals_size());
	getcontext(&run->main);
	if (back)
		return;
	back = true;
	int first[RUN_THREADS];
	run->current = RUN_THREADS - 1; /* so that thread 0 is the first */
	unsigned count = 0;
	for (int i = 0; i < RUN_THREADS; i++)
		if (run->threads[i].state == RUN_READY)
			first[count++] = i;
	run->current = first[choice_take(first, count)];
	memcpy(__start_ferry_locals, here()->locals, locals_size());
	setcontext(&here()->context);
}

static void live(void)
{
	for (uintptr_t i = 0; i < SCHEDULE_THREADS && run->what->threads[i]; i++)
		run_start(run_case_thread, (void *)i);
	alone(run->what->begin);
	together();
	run->current = RUN_MAIN;
	memcpy(__start_ferry_locals, run->threads[RUN_MAIN].locals, locals_size());
	alone(run->what->end);
	system_thread_ends(&run->threads[RUN_MAIN]);
	if (memory_pieces())
		schedule_fail("%u pieces of memory are never freed", memory_pieces());
}

void run_once(void)
{
	volatile bool begun = false;
	run->failed = false;
	run->steps = run->preemptions = 0;
	run->now = 1000000000;
	run->keys = 0;
	forget_threads();
	memory_begin();
	choice_begin();
	run->running = true;
	getcontext(&run->failing);
	if (!begun) {
		begun = true;
		live();
	}
	run->running = false;
	memory_restore_statics();
}
