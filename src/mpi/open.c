/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open over MPI, and the progress thread. Only the thread that opens, and the progress thread that
 * it starts. The progress thread opens the port and closes it. If it initialized MPI it lives on
 * until the last engine of the process is closed, and finalizes MPI then.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "mpi/open.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ferry.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/futex.h"
#include "base/log.h"
#include "base/options.h"
#include "base/order.h"
#include "base/waiting.h"
#include "base/place.h"
#include "base/program.h"
#include "engine/life.h"
#include "engine/outside.h"
#include "engine/watchdog.h"
#include "helm/loop.h"
#include "mpi/bells.h"
#include "mpi/job.h"
#include "mpi/life.h"
#include "mpi/port.h"
#include "mpi/says.h"
#include "mpi/starts.h"
#include "port/port.h"
#include "query/inquiry.h"
#include "query/server.h"
#include "query/socket.h"
#include "shared/engine.h"
#include "shared/thread.h"

#define LATE FERRY_S(2) /* what starting the others may take beside peer_timeout */

/* What the opening thread and the progress thread tell each other. */
struct opening {
	const void *comm;
	ferry_options options;
	struct fy_mpi_says says; /* the opening thread's */
	int failed; /* a failure from before MPI was asked; the other ranks have to be told */
	char why[FY_SENTENCE];
	bool told; /* the other ranks know of the failure */
	ferry *engine;
	struct fy_mpi_port *port; /* of that engine */
	int status;
	char text[256];
	/* the opening thread's mask, which code of the program gets on the progress thread */
	sigset_t mask;
	struct fy_place place; /* of the opening thread */
	/* futex: written by the progress thread (release), read by the opening one (acquire) */
	uint32_t done;
};

/* opens and closes of a process run one at a time */
pthread_mutex_t fy_mpi_open_lock = PTHREAD_MUTEX_INITIALIZER;

/* How long a rank may come later than this one. By default for ever, since who is late is not dead;
 * one that gave an own peer_timeout does not want to wait longer. */
static int64_t patience(const ferry_options *options)
{
	int64_t timeout = options->peer_timeout;
	return timeout > 0 && timeout < INT64_MAX - LATE ? timeout + LATE : FERRY_FOREVER;
}

static int open_port(struct opening *o, fy_port **port_p)
{
	bool exclusive = o->options.flags & FERRY_EXCLUSIVE;
	if (!o->failed) {
		int status = fy_mpi_port_open_within(o->comm, o->options.thread_level, exclusive,
		                                     patience(&o->options), port_p);
		o->told = status == FERRY_EPEER; /* then nobody can be told */
		return status;
	}
	fy_mpi_port_open_to_tell(o->comm, port_p);
	return fy_fail(o->failed, "%s", o->why);
}

/* Without a thread of its own an engine has no helper. */
static int join_helper(const struct opening *o, fy_port *port)
{
	struct fy_mpi_port *mpi = fy_mpi_port_of(port);
	if (o->options.flags & FERRY_NO_THREAD)
		return FERRY_OK;
	int status = fy_watchdog_join(&mpi->watched);
	if (!status)
		status = fy_engine_stuck_join(&mpi->stuck, &o->options);
	return status ? status : fy_dump_signal_join(&mpi->dumped, &o->options);
}

static void leave_helper(struct fy_mpi_port *mpi)
{
	fy_dump_signal_leave(&mpi->dumped);
	fy_engine_stuck_leave(&mpi->stuck);
	fy_watchdog_leave(&mpi->watched);
}

/* Nobody waits for a rank that is alone, or where peer_timeout is off, as other ranks may want. */
static void watch(ferry *engine, fy_port *port)
{
	struct fy_mpi_port *mpi = fy_mpi_port_of(port);
	engine->end.apart = !port->all_local;
	if (port->size > 1 && engine->options.peer_timeout != FERRY_NONE)
		fy_watchdog_watch(&mpi->watched, engine, fy_loop_steps(engine),
		                  fy_bells_beats(&mpi->bells, port->rank), !port->all_local);
	fy_engine_stuck_begin(&mpi->stuck, engine, fy_loop_steps(engine));
	fy_dump_signal_begin(&mpi->dumped, engine);
}

/* On the progress thread. A person has to see it, but not once from each rank. Who names the only
 * processor in progress_cpus knows. */
static void look_at_place(const struct opening *o, const fy_port *port)
{
	char text[320];
	const ferry *engine = o->engine;
	if (engine->options.flags & FERRY_NO_THREAD ||
	    (engine->options.progress_cpus && fy_place_processors() == 1) ||
	    !fy_place_is_shared(&o->place, port->ranks_here, text, sizeof text))
		return;
	if (engine->rank == 0)
		fy_log_say(engine->log, engine->rank, "%s", text);
	else
		fy_log_at(engine->log, FERRY_LOG_WARNING, "%s", text);
}

/* Programs of the user may ask how the engine is: by a socket beside its monitor file, if it has
 * one. After fy_outside_show. */
static void be_asked(ferry *engine, fy_port *port)
{
	struct fy_mpi_port *mpi = fy_mpi_port_of(port);
	char why[FY_QUERY_WHY] = "";
	bool has_file = fy_server_place(engine, &mpi->place);
	fy_server_report(engine, &mpi->place);
	if (!has_file || engine->options.flags & FERRY_NO_THREAD)
		return;
	mpi->query = fy_server_open(engine, &mpi->place, why);
	if (mpi->query)
		mpi->inquiry = fy_inquiry_begin(engine, mpi->query);
	else
		fy_log(engine->log, "ferry-ask gets no answer from this engine: %s", why);
}

/* A rank that failed makes all these calls, as far as MPI lets it, because the others wait for it
 * in them. */
static int open_engine(struct opening *o)
{
	fy_port *port = NULL;
	struct fy_opening opening;
	int status = open_port(o, &port);
	if (!port)
		return status;
	o->told = true;
	struct fy_starts *starts = status ? NULL : fy_mpi_starts_new(port);
	if (!status && !starts)
		status = FERRY_ENOMEM; /* fy_mpi_starts_new gave the sentence */
	if (!status)
		status = join_helper(o, port);
	port->job = (uint64_t)fy_clock_wall() ^ (uint64_t)getpid() << 40;
	fy_life_prepare(&opening, port, starts, &o->options, 1, status);
	status = fy_life_settle(&opening, &o->engine);
	if (status) {
		leave_helper(fy_mpi_port_of(port));
		port->ops->close(port, true);
		fy_mpi_life_orphan();
		return status;
	}
	watch(o->engine, port);
	fy_outside_show(o->engine, fy_mpi_job_library());
	look_at_place(o, port);
	be_asked(o->engine, port);
	o->port = fy_mpi_port_of(port);
	if (o->engine->options.flags & FERRY_KEEP_MPI)
		fy_mpi_life_keep();
	if (o->engine->options.flags & FERRY_NO_THREAD && fy_mpi_life_owned())
		fy_mpi_life_leave_unattended();
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
	fy_waiting_set_role(FY_ROLE_HELM);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	fy_program_mask(&mask);
	fy_place_as_process();
	const char *cpus = o->failed ? NULL : o->options.progress_cpus;
	int status = cpus ? fy_place_on(cpus) : FERRY_OK;
	if (!status)
		status = open_engine(o);
	ferry *engine = o->engine;
	struct fy_mpi_port *port = o->port;
	tell(o, status); /* from here on o is the opening thread's */
	if (status == FERRY_OK) {
		struct fy_query *query = port->query; /* the port goes with the engine */
		fy_loop_run(engine);
		fy_inquiry_end(port->inquiry);
		fy_server_stop(query);
		leave_helper(port);
		engine->end.status = fy_life_destroy(engine);
		fy_server_free(query);
		fy_store_release_32(&engine->end.closed, 1);
		fy_futex_wake(&engine->end.closed, 1, false);
	}
	if (fy_mpi_life_owned())
		fy_mpi_life_finish(FERRY_FOREVER);
	return NULL;
}

/* Block signals: they are for the application's threads, until this one runs code of the program.
 * Signals that a thread causes itself are not blocked: they reach the program's signal handlers, or
 * end the program. */
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
	fy_place_of_thread(0, &o->place);
	int failed = pthread_create(&thread, NULL, thread_main, o);
	pthread_sigmask(SIG_SETMASK, &o->mask, NULL);
	if (failed)
		return fy_fail(FERRY_ENOMEM, "the progress thread could not be started: %s",
		               strerror(failed));
	pthread_detach(thread);
	while (!fy_load_acquire_32(&o->done)) {
		fy_futex_wait(&o->done, 0, o->says.next, false);
		if (!fy_load_acquire_32(&o->done))
			fy_mpi_says_look(&o->says);
	}
	return o->status ? fy_fail(o->status, "%s", o->text) : FERRY_OK;
}

/* Without a progress thread. */
static int open_here(struct opening *o)
{
	fy_mpi_says_alone(&o->says);
	int status = open_engine(o);
	fy_mpi_says_alone(NULL);
	return status;
}

/* This rank's open failed; tell the other ranks. If MPI is initialized this thread does it, so that
 * no thread level is too low. Else a new thread initializes MPI and does it, or this thread if none
 * can be started. If this is known to be the only rank MPI is left alone. */
static int tell_others(struct opening *o, int status)
{
	if (fy_mpi_life_is_alone())
		return status;
	o->failed = status;
	snprintf(o->why, sizeof o->why, "%s", ferry_last_error());
	if (!fy_mpi_life_is_up())
		status = start_thread(o);
	return o->told ? status : open_here(o);
}

static int open_locked(struct opening *o, const ferry_options *given, bool has_place)
{
	int status = has_place ? fy_options_resolve(given, &o->options)
	                       : fy_fail(FERRY_EINVAL, "ferry_open needs a place for the engine");
	if (!status)
		status = o->options.flags & FERRY_NO_THREAD ? open_here(o) : start_thread(o);
	if (status && !o->told)
		status = tell_others(o, status);
	return status;
}

static int open_checked(const void *comm, const ferry_options *options, ferry **engine_p)
{
	if (fy_thread_must_not_wait(NULL))
		return fy_fail(FERRY_EDEADLK,
		               "an engine cannot be opened in a handler or callback");
	struct opening o = { .comm = comm };
	fy_program_begin();
	pthread_mutex_lock(&fy_mpi_open_lock);
	fy_mpi_says_rank(-1);
	fy_mpi_says_begin(&o.says, "ferry_open", NULL, -1);
	int status = open_locked(&o, options, engine_p);
	fy_mpi_says_stage(NULL);
	pthread_mutex_unlock(&fy_mpi_open_lock);
	fy_options_free(&o.options);
	if (status == FERRY_OK)
		*engine_p = o.engine;
	return status;
}

int fy_mpi_open(const void *comm, const ferry_options *options, ferry **engine_p)
{
	int cancel = fy_cancel_later();
	int status = open_checked(comm, options, engine_p);
	fy_cancel_as(cancel);
	return status;
}

int ferry_open(const ferry_options *options, ferry **engine_p)
{
	return fy_mpi_open(NULL, options, engine_p);
}
