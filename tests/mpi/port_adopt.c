/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port on an MPI that the program initialized at MPI_THREAD_MULTIPLE: on any
 * intracommunicator, beside others, and MPI stays the program's.
 */
#define _GNU_SOURCE
#include <mpi.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/mpi_test.h"

#include "mpi/life.h"
#include "mpi/port.h"
#include "port/port.h"

static bool no_shm;
static char opened[64]; /* the last name of ours */

/* In place of the C library's, for a host on which ranks do not share memory. */
int shm_open(const char *name, int flags, mode_t mode)
{
	int (*real)(const char *, int, mode_t);
	if (strncmp(name, "/ferry-", 7) == 0)
		snprintf(opened, sizeof opened, "%s", name);
	if (no_shm) {
		errno = ENOENT;
		return -1;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "shm_open");
	return real(name, flags, mode);
}

static void say(fy_port *port, int to, int from)
{
	fy_request sent, received;
	int in = -1, out = 100 + port->rank;
	CHECK_OK(port->ops->recv(port, from, 3, &in, sizeof in, &received));
	CHECK_OK(port->ops->send(port, to, 3, &out, sizeof out, &sent));
	while (!port->ops->test(port, &received))
		usleep(10);
	while (!port->ops->test(port, &sent))
		usleep(10);
	CHECK_INT(in, 100 + from);
}

static void around(fy_port *port)
{
	say(port, (port->rank + 1) % port->size, (port->rank + port->size - 1) % port->size);
}

static void *on_another_thread(void *arg)
{
	fy_port *port;
	CHECK_OK(fy_mpi_port_open(arg, FERRY_THREAD_MULTIPLE, false, &port));
	CHECK(!fy_mpi_life_owned());
	CHECK(port->lendable);
	around(port);
	CHECK_OK(port->ops->close(port, true));
	CHECK_OK(fy_mpi_life_finish(0)); /* nothing to finalize */
	struct fy_mpi_says says;
	fy_mpi_says_begin(&says, "the test", NULL, -1);
	fy_mpi_life_wait_finished(&says);
	return NULL;
}

/* Ranks in reverse: the port has those of its communicator. */
static void ranks_are_those_of_the_communicator(int rank, int size)
{
	pthread_t thread;
	MPI_Comm reverse;
	fy_port *port;
	MPI_Comm_split(MPI_COMM_WORLD, 0, size - rank, &reverse);
	CHECK(pthread_create(&thread, NULL, on_another_thread, &reverse) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK_OK(fy_mpi_port_open(&reverse, FERRY_THREAD_MULTIPLE, false, &port));
	MPI_Comm_free(&reverse); /* the port has its own */
	CHECK_INT(port->rank, size - 1 - rank);
	CHECK_INT(port->size, size);
	CHECK(port->ops->doorbell(port, port->rank) != NULL);
	around(port);
	CHECK_OK(port->ops->close(port, true));
}

static void hints_and_error_handlers_are_not_inherited(void)
{
	MPI_Comm hinted;
	MPI_Info info;
	MPI_Errhandler handler;
	fy_port *port;
	char value[64] = "";
	int found = 0;
	MPI_Info_create(&info);
	MPI_Info_set(info, "mpi_assert_no_any_source", "true");
	MPI_Comm_dup_with_info(MPI_COMM_WORLD, info, &hinted);
	MPI_Info_free(&info);
	CHECK_OK(fy_mpi_port_open(&hinted, FERRY_THREAD_MULTIPLE, false, &port));
	MPI_Comm comm = fy_mpi_port_of(port)->program;
	MPI_Comm_get_info(comm, &info);
	MPI_Info_get(info, "mpi_assert_no_any_source", sizeof value - 1, value, &found);
	CHECK(!found || strcmp(value, "true") != 0);
	MPI_Info_free(&info);
	MPI_Comm_get_errhandler(comm, &handler);
	CHECK(handler == MPI_ERRORS_RETURN);
	MPI_Errhandler_free(&handler);
	around(port);
	CHECK_OK(port->ops->close(port, true));
	MPI_Comm_free(&hinted);
}

static void intercommunicators_are_refused(int rank, int size)
{
	MPI_Comm half, inter, null = MPI_COMM_NULL;
	fy_port *port;
	CHECK_STATUS(fy_mpi_port_open(&null, FERRY_THREAD_MULTIPLE, false, &port), FERRY_EINVAL);
	if (size < 2)
		return;
	MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &half);
	MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, 1 - rank % 2, 7, &inter);
	CHECK_STATUS(fy_mpi_port_open(&inter, FERRY_THREAD_MULTIPLE, false, &port), FERRY_EINVAL);
	CHECK(strstr(ferry_last_error(), "MPI_Intercomm_merge") != NULL);
	/* halves by themselves */
	CHECK_OK(fy_mpi_port_open(&half, FERRY_THREAD_MULTIPLE, false, &port));
	around(port);
	CHECK_OK(port->ops->close(port, true));
	MPI_Comm_free(&inter);
	MPI_Comm_free(&half);
}

static void no_name_is_left(int size)
{
	char name[sizeof opened];
	memcpy(name, opened, sizeof name);
	MPI_Barrier(MPI_COMM_WORLD);
	CHECK(size == 1 || (name[0] == '/' && shm_open(name, O_RDWR, 0) < 0));
}

/* One rank finds no memory under the name: then nobody uses it. */
static void doorbells_are_shared_by_all_or_by_none(int rank, int size)
{
	MPI_Comm host;
	int neighbours;
	fy_port *port;
	MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
	MPI_Comm_size(host, &neighbours);
	MPI_Comm_free(&host);
	if (neighbours == size && access("/dev/shm", W_OK) == 0) {
		CHECK_OK(fy_mpi_port_open(NULL, FERRY_THREAD_MULTIPLE, false, &port));
		CHECK(port->all_local);
		CHECK_OK(port->ops->close(port, true));
		no_name_is_left(size);
	}
	for (int odd = 0; odd < 2; odd++) {
		no_shm = rank == (odd ? size - 1 : 0);
		CHECK_OK(fy_mpi_port_open(NULL, FERRY_THREAD_MULTIPLE, false, &port));
		no_shm = false;
		for (int to = 0; to < size; to++)
			if (neighbours == size)
				CHECK((port->ops->doorbell(port, to) != NULL) == (to == rank));
		CHECK(port->all_local == (size == 1));
		around(port);
		CHECK_OK(port->ops->close(port, true));
	}
}

static int handled;

static void on_error(MPI_Comm *comm, int *code, ...)
{
	(void)comm;
	(void)code;
	handled++;
}

/* MPICH asks the handler of MPI_COMM_WORLD when a request fails: the program's
 * hears of the program's failures as before, and of none of ours. */
static void errors_come_to_whom_they_belong(int rank, int size)
{
#ifdef MPICH
	MPI_Errhandler handler, now;
	MPI_Request request;
	fy_port *port;
	fy_request ours;
	char data[100] = "";
	int done = 0;
	MPI_Comm pair;
	MPI_Comm_split(MPI_COMM_WORLD, rank < 2 ? 0 : MPI_UNDEFINED, rank, &pair);
	if (size < 2) {
		MPI_Comm_free(&pair);
		return;
	}
	if (rank > 1)
		return;
	MPI_Comm_create_errhandler(on_error, &handler);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, handler);
	CHECK_OK(fy_mpi_port_open(&pair, FERRY_THREAD_MULTIPLE, false, &port));
	if (rank == 0) {
		MPI_Send(data, 100, MPI_BYTE, 1, 11, MPI_COMM_WORLD);
		CHECK_OK(port->ops->send(port, 1, 11, data, 100, &ours));
		while (!port->ops->test(port, &ours))
			usleep(10);
	} else {
		MPI_Irecv(data, 50, MPI_BYTE, 0, 11, MPI_COMM_WORLD, &request);
		while (MPI_Test(&request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done)
			usleep(10);
		CHECK_INT(handled, 1);
		CHECK_OK(port->ops->recv(port, 0, 11, data, 50, &ours));
		while (!port->ops->test(port, &ours))
			usleep(10);
		CHECK_INT(ours.status, FERRY_ETRUNC);
		CHECK_INT(handled, 1);
	}
	CHECK_OK(port->ops->close(port, true));
	MPI_Comm_get_errhandler(MPI_COMM_WORLD, &now);
	CHECK(now == handler);
	MPI_Errhandler_free(&now);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
	MPI_Errhandler_free(&handler);
	MPI_Comm_free(&pair);
#else
	(void)rank;
	(void)size;
	(void)on_error;
#endif
}

/* After one that was left as it is, because a rank was gone, say. That MPI is finalized then is not
 * our business. */
static void a_port_follows_an_unclean_one(void)
{
	MPI_Comm self = MPI_COMM_SELF;
	fy_port *port;
	CHECK_OK(fy_mpi_port_open(&self, FERRY_THREAD_MULTIPLE, false, &port));
	CHECK_OK(port->ops->close(port, false));
	CHECK_OK(fy_mpi_port_open(&self, FERRY_THREAD_MULTIPLE, false, &port));
	around(port);
	CHECK_OK(port->ops->close(port, true));
}

int main(void)
{
	int provided, rank, size, finalized = 1;
	MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
	if (provided != MPI_THREAD_MULTIPLE)
		CHECK_SKIP("this MPI has no MPI_THREAD_MULTIPLE");
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	ranks_are_those_of_the_communicator(rank, size);
	hints_and_error_handlers_are_not_inherited();
	intercommunicators_are_refused(rank, size);
	doorbells_are_shared_by_all_or_by_none(rank, size);
	errors_come_to_whom_they_belong(rank, size);
	a_port_follows_an_unclean_one();
	MPI_Finalized(&finalized);
	CHECK(!finalized);
	MPI_Barrier(MPI_COMM_WORLD);
	usleep(50000);
	MPI_Finalize();
	fy_port *port;
	CHECK_STATUS(fy_mpi_port_open(NULL, FERRY_THREAD_MULTIPLE, false, &port), FERRY_ENOTSUP);
	return 0;
}
