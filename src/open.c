/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open and close over MPI, and the progress thread. The thread that opened the
 * port is the one that closes it; where it also initialized MPI it lives on until
 * the last engine of the process is closed, and finalizes MPI then.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "executor.h"
#include "open.h"
#include "options.h"
#include "port_mpi.h"
#include "progress.h"
#include "status.h"

/* What the opening thread and the progress thread tell each other. */
struct opening {
	const void *comm;
	ferry_options options;
	ferry *engine;
	int status;
	char text[256];
	uint32_t done;     /* futex: written by the progress thread (release), read by the opening one (acquire) */
};

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER; /* opens and closes come one at a time */

/* ---- the thread ------------------------------------------------------------------------ */

static int open_engine(struct opening *o)
{
	fy_port *port = NULL;
	bool exclusive = o->options.flags & FERRY_EXCLUSIVE;
	if (o->options.flags & FERRY_KEEP_MPI)
		fy_mpi_keep();
	int status = fy_port_mpi_open(o->comm, o->options.thread_level, exclusive, &port);
	if (status)
		return status;
	if (o->options.flags & FERRY_NO_THREAD && fy_mpi_owned())
		fy_mpi_leave_unattended();
	status = fy_engine_create(port, &o->options, 1, &o->engine);
	if (status) {
		port->ops->close(port, true);
		return status;
	}
	return FERRY_OK;
}

static void place(const ferry_options *options)
{
	cpu_set_t cpus;
	if (options->progress_cpus && fy_options_cpus(options->progress_cpus, &cpus) == FERRY_OK)
		pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus);
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
	pthread_setname_np(pthread_self(), "ferry");
	place(&o->options);
	int status = open_engine(o);
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

/* Signals are for the application's threads. */
static int start_thread(struct opening *o)
{
	sigset_t all, before;
	pthread_t thread;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&thread, NULL, thread_main, o);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed)
		return fy_fail(FERRY_ENOMEM, "the progress thread could not be started: %s", strerror(failed));
	pthread_detach(thread);
	while (!fy_load_acquire_32(&o->done))
		fy_futex_wait(&o->done, 0, INT64_MAX, false);
	return o->status ? fy_fail(o->status, "%s", o->text) : FERRY_OK;
}

/* ---- open --------------------------------------------------------------------------------- */

int fy_open(const void *comm, const ferry_options *options, ferry **engine_p)
{
	if (!engine_p)
		return fy_fail(FERRY_EINVAL, "ferry_open needs a place for the engine");
	if (fy_engine_on_progress(NULL))
		return fy_fail(FERRY_EDEADLK, "an engine cannot be opened in a handler or callback");
	struct opening o = { .comm = comm };
	int status = fy_options_resolve(options, &o.options);
	if (status)
		return status;
	pthread_mutex_lock(&open_lock);
	status = o.options.flags & FERRY_NO_THREAD ? open_engine(&o) : start_thread(&o);
	pthread_mutex_unlock(&open_lock);
	fy_options_free(&o.options);
	if (status == FERRY_OK)
		*engine_p = o.engine;
	return status;
}

int ferry_open(const ferry_options *options, ferry **engine_p)
{
	return fy_open(NULL, options, engine_p);
}

/* ---- close ---------------------------------------------------------------------------------- */

static bool begin_close(struct fy_progress *p, struct fy_command *c)
{
	if (p->agree.kind) { /* a fence that is still going on ends first */
		c->patient = true;
		return false;
	}
	fy_progress_begin_close(p);
	c->status = FERRY_OK;
	return true;
}

static void finish_alone(ferry *e)
{
	fy_engine_step_close(e);
	e->close_status = fy_engine_destroy(e);
	fy_mpi_finish_if_last();
}

static void wait_closed(ferry *e)
{
	while (!fy_load_acquire_32(&e->closed)) {
		fy_executor_engine_closing(e); /* queues that nobody runs are run here */
		fy_futex_wait(&e->closed, 0, fy_now() + FERRY_MS(5), false);
	}
}

int ferry_close(ferry *e)
{
	if (!e)
		return FERRY_OK;
	if (fy_engine_on_progress(NULL) || fy_engine_in_handler(e))
		return fy_fail(FERRY_EDEADLK, "ferry_close would wait for the handler or callback that calls it");
	if (!fy_cas_32(&e->phase, FY_OPEN, FY_CLOSING))
		return fy_fail(FERRY_EINVAL, "this engine is being closed, or was closed, already");
	fy_engine_nudge(e);
	pthread_mutex_lock(&open_lock);
	struct fy_command c = { .run = begin_close };
	fy_engine_command(e, &c);
	if (e->options.flags & FERRY_NO_THREAD) {
		finish_alone(e);
	} else {
		wait_closed(e);
		if (!(e->options.flags & FERRY_KEEP_MPI))
			fy_mpi_wait_finished();
	}
	int status = e->close_status;
	fy_engine_release(e);
	pthread_mutex_unlock(&open_lock);
	fy_engine_forget_lanes();
	return status ? fy_fail(status, "a rank is gone: leave by _exit or MPI_Abort, MPI was left as it is")
	              : FERRY_OK;
}
