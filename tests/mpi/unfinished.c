/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations of MPI that are not over when this rank's engine ends by ferry_abort. The close waits
 * for none of them: each future ends with FERRY_ESTOPPED at once, what MPI may still write stays
 * MPI's, and its release function is not called. What was not started by then is not started, and
 * its release function is called.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <ferry_mpi.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "system.h"

enum { LONG = 100000, LARGE = 4 << 20, SOON_S = 10, TAG = 3 };

static ferry *engine;
static MPI_Comm side;
static int rank, peer;

/* Never freed: MPI has it. */
static struct {
	int one, sum;
	char from[LARGE], to[LARGE];
} * memory;

static struct {
	ferry_future *future;
	const char *what;
} ops[32];
static unsigned n_ops;

static void await_end(ferry_future *future, const char *what, int wanted)
{
	int status = ferry_future_wait(future, FERRY_S(SOON_S));
	if (status != wanted)
		CHECK_FAIL("rank %d: %s is %s, not %s (%s)", rank, what, ferry_strname(status),
		           ferry_strname(wanted), ferry_future_detail(future));
	ferry_future_release(future);
}

static void keep(const char *what, int status, ferry_future *future)
{
	if (status)
		CHECK_FAIL("rank %d: %s: %s", rank, what, ferry_last_error());
	ops[n_ops].future = future;
	ops[n_ops++].what = what;
}

static void all_are_stopped(void)
{
	for (unsigned i = 0; i < n_ops; i++)
		await_end(ops[i].future, ops[i].what, FERRY_ESTOPPED);
	n_ops = 0;
}

/* ---- of the program: it writes these words (release), the main thread reads them (acquire) */

static uint32_t blocks, begun, released;

static int block(MPI_Comm comm, void *arg)
{
	(void)comm;
	(void)arg;
	__atomic_store_n(&blocks, 1, __ATOMIC_RELEASE);
	system_sleep_ms(600);
	return MPI_SUCCESS;
}

/* Nobody sends that. */
static int begin_receive(MPI_Comm comm, void *arg, MPI_Request *request)
{
	__atomic_add_fetch(&begun, 1, __ATOMIC_RELEASE);
	return MPI_Irecv(arg, 1, MPI_INT, peer, TAG, comm, request);
}

static void release(void *data, void *arg)
{
	(void)data;
	(void)arg;
	__atomic_add_fetch(&released, 1, __ATOMIC_RELEASE);
}

/* ---- the operations -------------------------------------------------------------------------- */

static void start_messages(void)
{
	ferry_future *f = NULL;
	int status = ferry_irecv(engine, &memory->one, 1, MPI_INT, peer, TAG, side, &f);
	keep("ferry_irecv", status, f);
	status = ferry_isend(engine, memory->from, LARGE, MPI_BYTE, peer, TAG + 1, side, &f);
	keep("ferry_isend", status, f);
	status = ferry_sendrecv(engine, memory->from, LARGE, MPI_BYTE, peer, TAG + 2, memory->to, 1,
	                        MPI_BYTE, peer, TAG, side, &f);
	keep("ferry_sendrecv", status, f);
	MPI_Message message;
	status = ferry_improbe(engine, peer, TAG, side, &message, &f);
	keep("ferry_improbe", status, f);
	status = ferry_start_release(engine, begin_receive, &memory->one, release, &f);
	keep("ferry_start", status, f);
}

/* The peer takes part in the first of them, and says nothing more. */
static void start_collectives(void)
{
	ferry_future *f = NULL;
	int status = ferry_gather(engine, memory->from, LONG, 0, &f);
	keep("ferry_gather as the root", status, f);
	status = ferry_gather(engine, memory->from, LONG, 1, &f);
	keep("ferry_gather", status, f);
	status = ferry_barrier(engine, &f);
	keep("ferry_barrier", status, f);
	status = ferry_allreduce(engine, &memory->one, &memory->sum, 1, MPI_INT, MPI_SUM, &f);
	keep("ferry_allreduce", status, f);
}

static void end_engine(void)
{
	double start = system_now();
	ferry_abort(engine, FERRY_EREMOTE);
	all_are_stopped();
	CHECK_STATUS(ferry_close(engine), FERRY_EREMOTE);
	CHECK(system_now() - start < SOON_S);
}

/* All of it is with MPI by then. */
static void end_beside_what_is_under_way(void)
{
	start_messages();
	start_collectives();
	system_sleep_ms(200);
	CHECK_INT(__atomic_load_n(&begun, __ATOMIC_ACQUIRE), 1);
	end_engine();
	CHECK_INT(__atomic_load_n(&released, __ATOMIC_ACQUIRE), 0);
}

/* The progress thread does not come to it before the engine has ended. */
static void end_before_it_is_started(void)
{
	ferry_future *gathered, *blocked, *f = NULL;
	CHECK_OK(ferry_gather(engine, memory->from, LONG, 0, &gathered));
	CHECK_OK(ferry_run(engine, block, NULL, &blocked));
	while (!__atomic_load_n(&blocks, __ATOMIC_ACQUIRE))
		system_sleep_ms(1);
	start_messages();
	start_collectives();
	int status = ferry_run(engine, block, NULL, &f);
	keep("ferry_run", status, f);
	ferry_abort(engine, FERRY_EREMOTE);
	await_end(blocked, "the ferry_run that blocks", FERRY_OK);
	await_end(gathered, "ferry_gather", FERRY_ESTOPPED);
	end_engine();
	CHECK_INT(__atomic_load_n(&begun, __ATOMIC_ACQUIRE), 0);
	CHECK_INT(__atomic_load_n(&released, __ATOMIC_ACQUIRE), 1);
}

/* UCX names what is left behind at the end, and whoever runs the tests takes that for a fault. It
 * reads its environment when it is loaded. */
static void begin_without_warnings(char **argv)
{
	if (getenv("UCX_LOG_LEVEL"))
		return;
	setenv("UCX_LOG_LEVEL", "error", 1);
	execv("/proc/self/exe", argv);
	CHECK_FAIL("the test cannot begin again: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	int provided;
	(void)argc;
	begin_without_warnings(argv);
	system_watch();
	MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	peer = 1 - rank;
	MPI_Comm_dup(MPI_COMM_WORLD, &side);
	CHECK(memory = calloc(1, sizeof *memory));
	engine = system_open(NULL);
	if (rank == 0)
		end_beside_what_is_under_way();
	else
		end_before_it_is_started();
	MPI_Barrier(MPI_COMM_WORLD);
	if (rank == 0)
		puts("unfinished: what was under way ended with FERRY_ESTOPPED, and what was not "
		     "started never was");
	fflush(NULL);
	MPI_Finalize();
	return 0;
}
