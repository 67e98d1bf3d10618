/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations whose instructions tools/instructions.sh counts: no threads, no spinning, and the same
 * steps in every run.
 *
 *   tools/instructions WHAT BURST BURSTS
 *
 * post, future, call and counted go from one engine to another over the simulated network, isend
 * from an engine over MPI to a receive of its own rank. structs are posts, twice: before the second
 * time it says where the structs are that posts touch.
 *
 * Each burst is BURST operations of 64 bytes, then steps of both engines until all are over. The
 * script counts what is inside of part_application, part_sender and part_receiver, and knows these
 * names. Each part begins with a store to its mark, which a trace of the memory shows. The engine
 * over MPI is its own receiver, so there all steps are the sender's.
 */
#include <ferry_mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "app/own_lane.h"
#include "base/options.h"
#include "engine/life.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "shared/message.h"
#include "shared/thread.h"
#include "sim/net/sim.h"

enum { NBYTES = 64, MOST = 1024, OP_PLAIN = 1, OP_CALL = 2, STEPS_MAX = 1000 };
#ifdef __clang__
#define PART __attribute__((noinline)) static void
#else
#define PART __attribute__((noinline, noclone)) static void
#endif

static ferry *engines[2]; /* the sender, the receiver */
static fy_sim *sim;
static ferry_future *futures[MOST];
static char data[MOST][NBYTES], landed[MOST][NBYTES];
static unsigned burst, handled;
static bool with_future;
static ferry_counter *counter; /* of posts that count, or NULL */
static volatile char marks[5]; /* of no part, of the three parts, of the beginning */

static void must(int status)
{
	if (status == FERRY_OK)
		return;
	fprintf(stderr, "instructions: %s: %s\n", ferry_strname(status), ferry_last_error());
	exit(1);
}

/* ---- the operations ------------------------------------------------------- */

static void on_post(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(void)message;
	(void)arg;
	handled++;
}

static void on_call(ferry *engine, ferry_message *message, void *arg)
{
	size_t nbytes;
	const void *body = ferry_message_body(message, &nbytes);
	(void)engine;
	(void)arg;
	must(ferry_reply(message, body, nbytes));
	handled++;
}

static void begin_post(unsigned i)
{
	ferry_future **future_p = with_future ? &futures[i] : NULL;
	must(ferry_post(engines[0], 1, OP_PLAIN, data[i], NBYTES, future_p));
}

static void begin_counted(unsigned i)
{
	must(ferry_post_counted(engines[0], 1, OP_PLAIN, data[i], NBYTES, counter));
}

static void begin_call(unsigned i)
{
	must(ferry_call(engines[0], 1, OP_CALL, data[i], NBYTES, &futures[i]));
}

static void begin_isend(unsigned i)
{
	must(ferry_isend(engines[0], data[i], NBYTES, MPI_BYTE, 0, (int)i, MPI_COMM_SELF,
	                 &futures[i]));
	handled++; /* its future tells when it is done */
}

static void end_nothing(unsigned i)
{
	(void)i;
}

static void end_future(unsigned i)
{
	must(ferry_future_wait(futures[i], FERRY_FOREVER));
	ferry_future_release(futures[i]);
}

static void end_call(unsigned i)
{
	ferry_message *reply;
	must(ferry_future_wait(futures[i], FERRY_FOREVER));
	must(ferry_future_take(futures[i], &reply));
	ferry_message_release(reply);
	ferry_future_release(futures[i]);
}

/* ---- the parts that are counted --------------------------------------------- */

PART part_application(void (*operation)(unsigned i))
{
	marks[1] = 1;
	for (unsigned i = 0; i < burst; i++)
		operation(i);
	marks[0] = 1;
}

PART part_sender(void)
{
	marks[2] = 1;
	fy_step_once(engines[0]->progress, true);
	marks[0] = 1;
}

PART part_receiver(void)
{
	marks[3] = 1;
	fy_step_once(engines[1]->progress, true);
	marks[0] = 1;
}

static bool is_over(void)
{
	uint64_t posted = 0, done = 0;
	if (counter)
		must(ferry_counter_read(counter, &posted, &done));
	if (done != posted)
		return false;
	for (unsigned i = 0; with_future && i < burst; i++)
		if (ferry_future_poll(futures[i]) == FERRY_PENDING)
			return false;
	return handled == burst;
}

static void run(unsigned bursts, void (*begin)(unsigned i), void (*end)(unsigned i))
{
	static MPI_Request receives[MOST];
	static MPI_Status statuses[MOST];
	for (unsigned n = 0; n < bursts; n++) {
		handled = 0;
		for (unsigned i = 0; !sim && i < burst; i++)
			MPI_Irecv(landed[i], NBYTES, MPI_BYTE, 0, (int)i, MPI_COMM_SELF,
			          &receives[i]);
		part_application(begin);
		for (unsigned step = 0; !is_over(); step++) {
			if (step == STEPS_MAX) {
				fprintf(stderr, "instructions: the operations do not end\n");
				exit(1);
			}
			part_sender();
			if (sim) {
				part_receiver();
				fy_sim_advance(sim);
			}
		}
		part_application(end);
		if (!sim)
			MPI_Waitall((int)burst, receives, statuses);
	}
}

/* ---- engines ----------------------------------------------------------------- */

/* The network is such that one step sees all that happens at one time. */
static void open_simulated(void)
{
	struct fy_sim_options net = {
		.delay_min = 1000, .delay_max = 1000, .late_max = 1000, .grain = 1000
	};
	ferry_options given = FERRY_OPTIONS_INIT, options;
	struct fy_opening opening[2];
	given.flags = FERRY_NONBLOCK;
	given.spin = given.sleep_max = FERRY_NONE;
	sim = fy_sim_create(2, 1, &net);
	if (!sim)
		must(FERRY_ENOMEM);
	for (int i = 0; i < 2; i++) {
		must(fy_options_resolve(&given, &options));
		fy_life_prepare(&opening[i], fy_sim_port(sim, i), NULL, &options, 1, 0);
	}
	for (int i = 0; i < 2; i++)
		must(fy_life_settle(&opening[i], &engines[i]));
	ferry *before = fy_thread_begin(FY_INLINE, engines[1]); /* so it takes effect at once */
	must(ferry_handle(engines[1], OP_PLAIN, FERRY_INLINE, on_post, NULL));
	must(ferry_handle(engines[1], OP_CALL, FERRY_INLINE, on_call, NULL));
	fy_thread_end(FY_INLINE, before);
}

static void open_alone(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	int provided;
	MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
	options.flags = FERRY_NO_THREAD;
	must(ferry_open_comm(MPI_COMM_SELF, &options, &engines[0]));
}

/* ---- structs ------------------------------------------------------------------ */

static void print_struct(const char *whose, const char *name, const void *where, size_t nbytes)
{
	printf("struct %s %s %ju %zu\n", name, whose, (uintmax_t)(uintptr_t)where, nbytes);
}

static void print_structs(void)
{
	static const char *const names[] = { "sender", "receiver" };
	printf("marks - - %ju %zu\n", (uintmax_t)(uintptr_t)marks, sizeof marks);
	for (int i = 0; i < 2; i++) {
		struct fy_progress *p = engines[i]->progress;
		print_struct(names[i], "ferry", engines[i], sizeof *engines[i]);
		print_struct(names[i], "fy_progress", p, sizeof *p);
		print_struct(names[i], "fy_channel", p->link.channels[!i],
		             sizeof *p->link.channels[!i]);
	}
	struct fy_lane *lane = fy_own_lane(engines[0]);
	print_struct("sender", "fy_lane", lane, sizeof *lane);
	fflush(stdout);
}

static int misused(void)
{
	fprintf(stderr,
	        "instructions post|future|call|counted|isend|structs BURST BURSTS; BURST <= %d\n",
	        MOST);
	return 2;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	unsigned bursts = argc == 4 ? (unsigned)atoi(argv[3]) : 0;
	bool structs = !strcmp(what, "structs"), future = !strcmp(what, "future");
	bool call = !strcmp(what, "call"), isend = !strcmp(what, "isend");
	bool counted = !strcmp(what, "counted");
	burst = argc == 4 ? (unsigned)atoi(argv[2]) : 0;
	with_future = future || call || isend;
	bool known = with_future || structs || counted || !strcmp(what, "post");
	if (!known || burst < 1 || burst > MOST || bursts < 1)
		return misused();
	if (isend)
		open_alone();
	else
		open_simulated();
	if (counted)
		must(ferry_counter_create(engines[0], &counter));
	run(bursts,
	    isend     ? begin_isend
	    : call    ? begin_call
	    : counted ? begin_counted
	              : begin_post,
	    call          ? end_call
	    : with_future ? end_future
	                  : end_nothing);
	if (structs) { /* by now all structs exist */
		print_structs();
		marks[4] = 1;
		run(bursts, begin_post, end_nothing);
	}
	if (isend) {
		must(ferry_close(engines[0]));
		MPI_Finalize();
	}
	return 0;
}
