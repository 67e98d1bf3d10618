/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conformance suite over MPI, on a thread that initializes MPI and
 * finalizes it, as a progress thread does. Refusals are made by standing in for
 * MPI_Isend, which is what MPI's profiling layer is for.
 */
#include <mpi.h>

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "support/mpi_test.h"
#include "support/port_conformance.h"

#include "base/clock.h"
#include "mpi/life.h"
#include "mpi/port.h"
#include "port/port.h"

#define LIMIT FERRY_S(60)

static unsigned refuse_sends;
static int64_t started;

int MPI_Isend(const void *data, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
              MPI_Request *request)
{
	if (refuse_sends > 0) {
		refuse_sends--;
		return MPI_ERR_OTHER;
	}
	return PMPI_Isend(data, count, type, dest, tag, comm, request);
}

static fy_port *mine(struct conformance *c, int rank)
{
	fy_port *port = c->arg;
	return rank == port->rank ? port : NULL;
}

static bool turn(struct conformance *c)
{
	struct timespec pause = { 0, 20000 };
	fy_port *port = c->arg;
	port->ops->progress(port);
	nanosleep(&pause, NULL);
	return fy_clock_now() - started < LIMIT;
}

static void gather(struct conformance *c)
{
	MPI_Request request;
	int done = 0;
	CHECK(MPI_Ibarrier(fy_mpi_port_of(c->arg)->program, &request) == MPI_SUCCESS);
	while (!done) {
		CHECK(turn(c));
		CHECK(MPI_Test(&request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS);
	}
	for (int i = 0; i < 10; i++)
		turn(c);
}

static void refuse(struct conformance *c, int rank)
{
	(void)c;
	(void)rank;
	refuse_sends = 1;
}

static void conform(fy_port *port)
{
	struct conformance c = { .ranks = port->size,
		                 .port = mine,
		                 .turn = turn,
		                 .gather = gather,
		                 .refuse = refuse,
		                 .arg = port };
#ifdef OPEN_MPI
	c.never_truncate = true; /* see mpi/port.c */
#endif
	started = fy_clock_now();
	CHECK_INT(conformance_run(&c), 0);
}

/* Our own texts, and MPI's: not more than a line. */
static void texts_are_of_use(fy_port *port)
{
	fy_request request;
	CHECK_STATUS(port->ops->send(port, port->size, 1, "x", 1, &request), FERRY_EMPI);
	CHECK(strstr(port->ops->error(port), "rank") != NULL);
	refuse_sends = 1;
	CHECK_STATUS(port->ops->send(port, 0, 1, "x", 1, &request), FERRY_EMPI);
	CHECK(strstr(port->ops->error(port), "MPI_Isend: ") != NULL);
	CHECK(strchr(port->ops->error(port), '\n') == NULL);
}

/* More bytes than another version compares: no rank may be left waiting. */
static void agreement_copes_with_other_lengths(fy_port *port)
{
	char here[16] = "the same", theirs[16] = "";
	bool other = port->rank == port->size - 1 && port->size > 1;
	int who = -1;
	int status = port->ops->agree(port, here, theirs, other ? 12 : 16, &who);
	CHECK_INT(status, port->size > 1 ? FERRY_ENOTSUP : 0);
	CHECK_INT(who, port->size > 1 ? port->size - 1 : -1);
	CHECK(strcmp(theirs, "the same") == 0);
}

static void a_second_port_does_not_hear_the_first(fy_port *first)
{
	fy_port *port;
	fy_request sent[2], received[2];
	int out[2] = { 1, 2 }, in[2] = { 0, 0 };
	CHECK_OK(fy_mpi_port_open(NULL, FERRY_THREAD_MULTIPLE, false, &port));
	CHECK(port->ops->doorbell(port, port->rank) != first->ops->doorbell(first, first->rank));
	fy_port *both[2] = { first, port };
	for (int i = 0; i < 2; i++)
		CHECK_OK(both[i]->ops->send(both[i], port->rank, 5, &out[i], sizeof out[i],
		                            &sent[i]));
	for (int i = 1; i >= 0; i--) {
		CHECK_OK(both[i]->ops->recv(both[i], FY_PORT_ANY, 5, &in[i], sizeof in[i],
		                            &received[i]));
		while (!both[i]->ops->test(both[i], &received[i]))
			;
		while (!both[i]->ops->test(both[i], &sent[i]))
			;
		CHECK_INT(in[i], out[i]);
	}
	CHECK_OK(port->ops->close(port, true));
}

static void *owner(void *arg)
{
	int provided;
	fy_port *port;
	(void)arg;
	CHECK_OK(fy_mpi_port_open(NULL, FERRY_THREAD_MULTIPLE, false, &port));
	CHECK(fy_mpi_life_owned());
	CHECK(MPI_Query_thread(&provided) == MPI_SUCCESS);
	CHECK_INT(port->lendable, provided >= MPI_THREAD_SERIALIZED);
	conform(port);
	texts_are_of_use(port);
	agreement_copes_with_other_lengths(port);
	a_second_port_does_not_hear_the_first(port);
	/* Uneven ends: one rank still makes progress while the others leave. */
	for (int64_t end = fy_clock_now() + FERRY_MS(50); port->rank == 0 && fy_clock_now() < end;)
		port->ops->progress(port);
	CHECK_OK(port->ops->close(port, true));
	CHECK_OK(fy_mpi_life_finish(FERRY_S(30)));
	return NULL;
}

int main(void)
{
	int finalized = 0;
	fy_port *port;
	pthread_t thread;
	CHECK(pthread_create(&thread, NULL, owner, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(!fy_mpi_life_owned());
	struct fy_mpi_says says;
	fy_mpi_says_begin(&says, "the test", NULL, -1);
	fy_mpi_life_wait_finished(&says);
	MPI_Finalized(&finalized);
	CHECK(finalized);
	CHECK_STATUS(fy_mpi_port_open(NULL, FERRY_THREAD_MULTIPLE, false, &port), FERRY_ENOTSUP);
	CHECK(strstr(ferry_last_error(), "FERRY_KEEP_MPI") != NULL);
	return 0;
}
