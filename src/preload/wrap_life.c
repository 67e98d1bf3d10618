/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The beginning and the end of MPI, as the program calls them. MPI is initialized for calls of many
 * threads, and the program is told the level that it asked for.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload/caller.h"
#include "preload/errors.h"
#include "preload/helm.h"
#include "preload/lanes.h"
#include "preload/next.h"
#include "preload/progress.h"
#include "preload/report.h"
#include "preload/serialized.h"
#include "preload/slot.h"

/* What the program was told; -1: MPI says. Constant once MPI is initialized. */
static int told = -1;

static void say(const char *what)
{
	fprintf(stderr, "ferry-preload: %s\n", what);
}

/* What FERRY_PRELOAD asks for. */
struct wishes {
	bool off, serialized, progress;
};

static struct wishes read_wishes(void)
{
	const char *given = getenv("FERRY_PRELOAD");
	struct wishes w = { false, false, false };
	if (!given || !*given)
		return w;
	w.off = !strcmp(given, "off");
	w.serialized = !strcmp(given, "serialized");
	w.progress = !strcmp(given, "progress");
	if (!w.off && !w.serialized && !w.progress)
		fprintf(stderr,
		        "ferry-preload: FERRY_PRELOAD is off, progress or serialized, and not %s; "
		        "it is ignored\n",
		        given);
	return w;
}

/* Can the layer be on? Says why not. */
static bool is_possible(int needed, int provided)
{
	const char *name = NULL, *object = NULL;
	char text[300];
	if (provided < needed) {
		say(needed == MPI_THREAD_MULTIPLE
		            ? "off: this MPI does not support calls of many threads "
		              "(MPI_THREAD_MULTIPLE); FERRY_PRELOAD=serialized needs less"
		            : "off: this MPI does not support calls of one thread at a time "
		              "(MPI_THREAD_SERIALIZED)");
		return false;
	}
	if (fy_next_is_covered(&name, &object)) {
		snprintf(text, sizeof text,
		         "off: %s is that of %s, which stands before this library; preload "
		         "that one behind it",
		         name, object);
		say(text);
		return false;
	}
	if (!fy_preload_slot_reserve()) {
		say("off: there is no address space for its requests; raise ulimit -v");
		return false;
	}
	return true;
}

static void report(const char *how)
{
	fy_preload_report_print(fy_caller_here.straight, fy_preload_lanes_started(), how);
}

/* The rank's; 0: it has told already. Of the threads that call MPI_Init and MPI_Finalize. */
static pid_t process;

/* MPI demands MPI_Finalize, and there are programs that exit without it. A child of the rank's
 * process that exits is not the rank. */
static void report_at_exit(void)
{
	if (process == getpid())
		report("; MPI_Finalize was not called");
}

static void begin(struct wishes wishes)
{
	process = getpid();
	fy_preload_report_begin();
	atexit(report_at_exit);
	fy_caller_all.serialized = wishes.serialized;
	if (wishes.serialized)
		fy_preload_serialized_begin();
	fy_caller_begin();
	if (wishes.progress && !fy_preload_progress_begin())
		say("there is no thread for FERRY_PRELOAD=progress");
}

int MPI_Init_thread(int *argc, char ***argv, int required, int *provided)
{
	int given = MPI_THREAD_SINGLE;
	fy_next_need();
	struct wishes wishes = read_wishes();
	int level = wishes.serialized ? MPI_THREAD_SERIALIZED : MPI_THREAD_MULTIPLE;
	if (wishes.off) {
		fy_caller_end();
		return fy_next.Init_thread(argc, argv, required, provided);
	}
	int code = fy_next.Init_thread(argc, argv, level, &given);
	if (code != MPI_SUCCESS)
		return code;
	if (is_possible(level, given)) {
		told = required;
		begin(wishes);
	} else {
		fy_caller_end();
	}
	*provided = told >= 0 ? told : given;
	return code;
}

int MPI_Init(int *argc, char ***argv)
{
	int provided;
	return MPI_Init_thread(argc, argv, MPI_THREAD_SINGLE, &provided);
}

int MPI_Query_thread(int *provided)
{
	int code = fy_next.Query_thread(provided);
	if (code == MPI_SUCCESS && told >= 0)
		*provided = told;
	return code;
}

int MPI_Finalize(void)
{
	fy_preload_progress_end();
	enum fy_way way = fy_caller_way();
	if (way == FY_WAY_HELM)
		fy_preload_helm_keep(); /* nobody is inside MPI for others any more */
	if (told >= 0)
		report("");
	process = 0;
	fy_caller_end();
	return fy_next.Finalize();
}

/* ---- for programs that measure ------------------------------------------------------------- */

/* doc/preload.md has what it is for. */
__attribute__((visibility("default"))) int ferry_preload_switch(int on);
int ferry_preload_switch(int on)
{
	if (told < 0 || fy_caller_all.serialized) /* off, this MPI does not bear two threads */
		return -1;
	if (on)
		fy_caller_begin();
	else
		fy_caller_end();
	return 0;
}

/* ---- functions of the program that MPI calls ----------------------------------------------- */

int MPI_Comm_set_errhandler(MPI_Comm comm, MPI_Errhandler handler)
{
	enum fy_way way = fy_caller_way();
	if (way == FY_WAY_HELM)
		fy_preload_helm_flush();
	if (way != FY_WAY_OFF)
		fy_preload_errors_watch();
	return fy_next.Comm_set_errhandler(fy_preload_errors_place(comm), handler);
}

int MPI_Comm_get_errhandler(MPI_Comm comm, MPI_Errhandler *handler)
{
	return fy_next.Comm_get_errhandler(fy_preload_errors_place(comm), handler);
}

int MPI_Comm_call_errhandler(MPI_Comm comm, int code)
{
	return fy_next.Comm_call_errhandler(fy_preload_errors_place(comm), code);
}

int MPI_Grequest_start(MPI_Grequest_query_function *query_fn, MPI_Grequest_free_function *free_fn,
                       MPI_Grequest_cancel_function *cancel_fn, void *extra_state,
                       MPI_Request *request)
{
	fy_store_release_32(&fy_caller_all.alone, 1);
	return fy_next.Grequest_start(query_fn, free_fn, cancel_fn, extra_state, request);
}
