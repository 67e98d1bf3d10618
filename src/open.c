/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open and close over MPI, and the progress thread. The thread that opened the
 * port is the one that closes it; where it also initialized MPI it lives on until
 * the last engine of the process is closed, and finalizes MPI then.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "executor.h"
#include "log.h"
#include "open.h"
#include "options.h"
#include "place.h"
#include "port_mpi.h"
#include "program.h"
#include "progress.h"
#include "report.h"
#include "status.h"

/* What the opening thread and the progress thread tell each other. */
struct opening {
	const void *comm;
	ferry_options options;
	int failed; /* before MPI was asked: the other ranks are to be told, */
	char why[FY_SENTENCE];
	bool told; /* and were, or know otherwise */
	ferry *engine;
	int status;
	char text[256];
	/* the opening thread's: what the program's code has on the progress thread */
	sigset_t mask;
	/* futex: written by the progress thread (release), read by the opening one (acquire) */
	uint32_t done;
};

/* opens and closes come one at a time */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- the thread ------------------------------------------------------------------------ */

static int open_port(struct opening *o, fy_port **port_p)
{
	bool exclusive = o->options.flags & FERRY_EXCLUSIVE;
	if (!o->failed)
		return fy_port_mpi_open(o->comm, o->options.thread_level, exclusive, port_p);
	fy_port_mpi_open_to_tell(o->comm, port_p);
	return fy_fail(o->failed, "%s", o->why);
}

/* A rank that failed goes through all of it, as far as MPI lets it, because the others wait for
 * it there. */
static int open_engine(struct opening *o)
{
	fy_port *port = NULL;
	struct fy_opening opening;
	int status = open_port(o, &port);
	if (!port)
		return status;
	o->told = true;
	fy_engine_prepare(&opening, port, &o->options, 1, status);
	status = fy_engine_settle(&opening, &o->engine);
	if (status) {
		port->ops->close(port, true);
		fy_mpi_orphan();
		return status;
	}
	if (o->engine->options.flags & FERRY_KEEP_MPI)
		fy_mpi_keep();
	if (o->engine->options.flags & FERRY_NO_THREAD && fy_mpi_owned())
		fy_mpi_leave_unattended();
	return FERRY_OK;
}

static void tell(struct opening *o, int status)
{
	o->status = status;
	if (status)
		snprintf(o->text, sizeof o->text, "%s", ferry_last_error());
	fy_store_release_32(&o->done, 1);
	fy_futex_wake(&o->done, 1, false);
}

static void *thread_main(void *arg)
{
	struct opening *o = arg;
	sigset_t mask = o->mask;
	pthread_setname_np(pthread_self(), "ferry");
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	fy_program_mask(&mask);
	fy_place_as_process();
	const char *cpus = o->failed ? NULL : o->options.progress_cpus;
	int status = cpus ? fy_place_on(cpus) : FERRY_OK;
	if (!status)
		status = open_engine(o);
	ferry *engine = o->engine;
	tell(o, status); /* o is the opener's from here on */
	if (status == FERRY_OK) {
		fy_progress_loop(engine->progress);
		engine->close_status = fy_engine_destroy(engine);
		fy_store_release_32(&engine->closed, 1);
		fy_futex_wake(&engine->closed, 1, false);
	}
	if (fy_mpi_owned())
		fy_mpi_finish(FERRY_FOREVER);
	return NULL;
}

/* Signals are for the application's threads, until this one runs code of the program's. But
 * those that a thread causes itself find the program's handlers, or end the program, wherever
 * they come from. */
static void block_signals(sigset_t *before)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS };
	sigset_t most;
	sigfillset(&most);
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		sigdelset(&most, own[i]);
	pthread_sigmask(SIG_SETMASK, &most, before);
}

static int start_thread(struct opening *o)
{
	pthread_t thread;
	fy_store_release_32(&o->done, 0);
	block_signals(&o->mask);
	int failed = pthread_create(&thread, NULL, thread_main, o);
	pthread_sigmask(SIG_SETMASK, &o->mask, NULL);
	if (failed)
		return fy_fail(FERRY_ENOMEM, "the progress thread could not be started: %s",
		               strerror(failed));
	pthread_detach(thread);
	while (!fy_load_acquire_32(&o->done))
		fy_futex_wait(&o->done, 0, INT64_MAX, false);
	return o->status ? fy_fail(o->status, "%s", o->text) : FERRY_OK;
}

/* ---- open --------------------------------------------------------------------------------- */

/* This rank has no engine, and the others are to know. By this thread where MPI runs, so that no
 * level of threads is too low for it; else by one that initializes MPI, or by this one when no
 * thread can be started. Where it is known that there is no other rank MPI is left alone. */
static int tell_others(struct opening *o, int status)
{
	if (fy_mpi_is_alone())
		return status;
	o->failed = status;
	snprintf(o->why, sizeof o->why, "%s", ferry_last_error());
	if (!fy_mpi_is_up())
		status = start_thread(o);
	return o->told ? status : open_engine(o);
}

static int open_locked(struct opening *o, const ferry_options *given, bool has_place)
{
	int status = has_place ? fy_options_resolve(given, &o->options)
	                       : fy_fail(FERRY_EINVAL, "ferry_open needs a place for the engine");
	if (!status)
		status = o->options.flags & FERRY_NO_THREAD ? open_engine(o) : start_thread(o);
	if (status && !o->told)
		status = tell_others(o, status);
	return status;
}

static int open_checked(const void *comm, const ferry_options *options, ferry **engine_p)
{
	if (fy_engine_on_progress(NULL))
		return fy_fail(FERRY_EDEADLK,
		               "an engine cannot be opened in a handler or callback");
	struct opening o = { .comm = comm };
	fy_program_begin();
	pthread_mutex_lock(&open_lock);
	int status = open_locked(&o, options, engine_p);
	pthread_mutex_unlock(&open_lock);
	fy_options_free(&o.options);
	if (status == FERRY_OK)
		*engine_p = o.engine;
	return status;
}

int fy_open(const void *comm, const ferry_options *options, ferry **engine_p)
{
	int cancel = fy_cancel_later();
	int status = open_checked(comm, options, engine_p);
	fy_cancel_as(cancel);
	return status;
}

int ferry_open(const ferry_options *options, ferry **engine_p)
{
	return fy_open(NULL, options, engine_p);
}

/* ---- close ---------------------------------------------------------------------------------- */

/*
 * What a close waits for is said by the thread that called it, after a while and then after twice
 * as long each time. The helm puts it together; a helm that does not come back is itself what is
 * waited for. While the thread runs code of the program from a queue the helm says it.
 */
#define HELM_COMES FERRY_MS(200)

struct says {
	ferry *engine;
	struct fy_command command; /* puts `text` together */
	bool asked;                /* and the helm has it */
	int64_t since, next, pause;
	char text[FY_REPORT_BYTES];
};

static void says_begin(struct says *s, ferry *e)
{
	*s = (struct says){ .engine = e, .since = fy_now(), .pause = fy_report_patience() };
	s->next = s->since + s->pause;
}

static bool is_due(struct says *s)
{
	int64_t now = fy_now();
	if (now < s->next)
		return false;
	s->pause *= 2;
	s->next = now + s->pause;
	return true;
}

static void say(const struct says *s, const char *text)
{
	/* no fraction by printf: locales have other points */
	long long tenths = (fy_now() - s->since) / FERRY_MS(100);
	fy_say(s->engine, "ferry_close has waited %lld.%lld s for: %s", tenths / 10, tenths % 10,
	       text);
}

static bool report(struct fy_progress *p, struct fy_command *c)
{
	struct says *s = c->arg;
	fy_report_close(p, s->text, sizeof s->text);
	return true;
}

/* Of who has the helm and does not come back. */
static void say_stuck(struct says *s)
{
	ferry *e = s->engine;
	uint32_t inside = fy_load_relaxed_32(&e->inside);
	char text[160];
	if (inside == FY_INSIDE_END)
		snprintf(text, sizeof text,
		         "the end of the engine; %llu threads are inside other calls of it",
		         (unsigned long long)fy_load_acquire_64(&e->guests));
	else if (inside == FY_INSIDE_CALLBACK)
		snprintf(text, sizeof text,
		         "the progress thread, which does not return from an inline callback");
	else if (inside == FY_INSIDE_NOTHING)
		snprintf(text, sizeof text, "the progress thread, which does not come back");
	else
		snprintf(text, sizeof text,
		         "the progress thread, which does not return from the inline handler of op "
		         "%#x",
		         inside);
	say(s, text);
}

static void say_now(struct says *s)
{
	ferry *e = s->engine;
	if (!s->asked) {
		s->command = (struct fy_command){ .run = report, .arg = s };
		s->asked = true;
		fy_engine_command_begin(e, &s->command);
	}
	fy_futex_wait(&s->command.done, 0, fy_now() + HELM_COMES, false);
	if (fy_load_acquire_32(&e->closed))
		return;
	s->asked = !fy_load_acquire_32(&s->command.done);
	if (!s->asked && s->command.status == FERRY_OK)
		say(s, s->text);
	else
		say_stuck(s);
}

/* Without a thread, with the helm. */
static void say_alone(void *arg)
{
	struct says *s = arg;
	if (!is_due(s))
		return;
	fy_report_close(s->engine->progress, s->text, sizeof s->text);
	say(s, s->text);
}

/* The helm looks, in each step, whether the thread in ferry_close returns from the queues that
 * it runs. */
static void say_beside(void *arg)
{
	struct says *s = arg;
	int64_t since = (int64_t)fy_load_relaxed_64(&s->engine->draining);
	if (!since || fy_now() - since < HELM_COMES || !is_due(s))
		return;
	int n = snprintf(s->text, sizeof s->text,
	                 "code from a queue, which ferry_close runs as no other thread does; ");
	fy_report_close(s->engine->progress, s->text + n, sizeof s->text - (size_t)n);
	say(s, s->text);
}

static bool begin_close(struct fy_progress *p, struct fy_command *c)
{
	if (p->agree.kind) { /* a fence that is still going on ends first */
		c->patient = true;
		return false;
	}
	p->close_look_arg = c->arg;
	p->close_look = c->arg ? say_beside : NULL;
	fy_progress_begin_close(p);
	c->status = FERRY_OK;
	return true;
}

/* Opens and closes of other threads come first, however long they take. */
static void lock_patiently(struct says *s)
{
	struct timespec until;
	do {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		if (is_due(s))
			say(s,
			    "another ferry_open or ferry_close of this process, which is not over");
	} while (pthread_mutex_timedlock(&open_lock, &until) != 0);
}

static int finish_alone(ferry *e, struct says *says)
{
	fy_engine_step_close(e, say_alone, says);
	e->close_status = fy_engine_destroy(e);
	return fy_mpi_finish_if_last();
}

static void wait_closed(ferry *e, struct says *says)
{
	while (!fy_load_acquire_32(&e->closed)) {
		fy_store_relaxed_64(&e->draining, (uint64_t)fy_now());
		fy_executor_engine_closing(e); /* queues that nobody runs are run here */
		fy_store_relaxed_64(&e->draining, 0);
		fy_futex_wait(&e->closed, 0, fy_close_look(says->since), false);
		if (is_due(says))
			say_now(says);
	}
}

/* `finished`: what became of MPI, with its sentence; what the engine itself has to say
 * comes first. */
static int close_result(const ferry *e, int finished)
{
	if (!e->close_status)
		return finished;
	return fy_fail(
		e->close_status, "%s",
		e->close_text[0]
			? e->close_text
			: "a rank is gone: leave by _exit or MPI_Abort, MPI was left as it is");
}

static int close_engine(ferry *e)
{
	if (fy_engine_on_progress(NULL) || fy_engine_in_handler(e))
		return fy_fail(FERRY_EDEADLK,
		               "ferry_close would wait for the handler or callback that calls it");
	if (!fy_cas_32(&e->phase, FY_OPEN, FY_CLOSING))
		return fy_fail(FERRY_EINVAL, "this engine is being closed, or was closed, already");
	fy_engine_nudge(e);
	struct says says, beside;
	bool alone = e->options.flags & FERRY_NO_THREAD;
	says_begin(&says, e);
	beside = says;
	lock_patiently(&says);
	/* It is done, or failed, before the engine is closed. */
	struct fy_command c = { .run = begin_close, .arg = alone ? NULL : &beside };
	fy_engine_command_begin(e, &c);
	int finished = FERRY_OK;
	if (alone) {
		finished = finish_alone(e, &says);
	} else {
		wait_closed(e, &says);
		if (!(e->options.flags & FERRY_KEEP_MPI))
			finished = fy_mpi_wait_finished();
	}
	int status = close_result(e, finished);
	fy_engine_close_log(e);
	fy_engine_release(e);
	pthread_mutex_unlock(&open_lock);
	fy_engine_forget_lanes();
	return status;
}

int ferry_close(ferry *e)
{
	if (!e)
		return FERRY_OK;
	int cancel = fy_cancel_later();
	int status = close_engine(e);
	fy_cancel_as(cancel);
	return status;
}
