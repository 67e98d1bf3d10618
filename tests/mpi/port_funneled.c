/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MPI at MPI_THREAD_FUNNELED. Of the program's it cannot be adopted; of our own
 * it serves its thread, which also may have a second port, and is not lent. MPI that
 * is kept is the program's from then on.
 */
#include <mpi.h>

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "support/mpi_test.h"

#include "mpi/life.h"
#include "mpi/port.h"
#include "port/port.h"

static void *stranger(void *arg)
{
	fy_port *port;
	(void)arg;
	CHECK_STATUS(fy_mpi_port_open(NULL, FERRY_THREAD_FUNNELED, true, &port), FERRY_ETHREAD);
	return NULL;
}

int main(void)
{
	int provided, finalized = 1;
	fy_port *port, *second;
	pthread_t thread;
	CHECK_OK(fy_mpi_port_open(NULL, FERRY_THREAD_FUNNELED, false, &port));
	CHECK(fy_mpi_life_owned());
	MPI_Query_thread(&provided);
	if (provided != MPI_THREAD_FUNNELED)
		CHECK_SKIP("this MPI does not give MPI_THREAD_FUNNELED when asked for it");
	CHECK(!port->lendable);
	CHECK_OK(fy_mpi_port_open(NULL, FERRY_THREAD_FUNNELED, false, &second));
	CHECK(pthread_create(&thread, NULL, stranger, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK_OK(second->ops->close(second, true));
	CHECK_OK(port->ops->close(port, true));
	fy_mpi_life_keep();
	CHECK_OK(fy_mpi_life_finish(FERRY_FOREVER));
	CHECK(!fy_mpi_life_owned());
	MPI_Finalized(&finalized);
	CHECK(!finalized);
	CHECK_STATUS(fy_mpi_port_open(NULL, FERRY_THREAD_FUNNELED, false, &port), FERRY_ETHREAD);
	CHECK(strstr(ferry_last_error(), "MPI_THREAD_FUNNELED") != NULL);
	MPI_Barrier(MPI_COMM_WORLD);
	usleep(50000);
	MPI_Finalize();
	return 0;
}
