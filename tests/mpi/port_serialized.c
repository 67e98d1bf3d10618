/* SPDX-License-Identifier: Apache-2.0 */
/* MPI at MPI_THREAD_SERIALIZED: one port, and only when nobody else calls MPI. */
#include <mpi.h>

#include <string.h>
#include <unistd.h>

#include "support/mpi_test.h"

#include "mpi/port.h"
#include "port/port.h"

int main(void)
{
	int provided;
	fy_port *port, *other;
	MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided);
	if (provided != MPI_THREAD_SERIALIZED)
		CHECK_SKIP("this MPI does not give MPI_THREAD_SERIALIZED when asked for it");
	CHECK_STATUS(fy_mpi_port_open(NULL, FERRY_THREAD_MULTIPLE, false, &port), FERRY_ETHREAD);
	CHECK(strstr(ferry_last_error(), "FERRY_EXCLUSIVE") != NULL);
	CHECK_OK(fy_mpi_port_open(NULL, FERRY_THREAD_SERIALIZED, true, &port));
	CHECK(port->lendable);
	CHECK_STATUS(fy_mpi_port_open(NULL, FERRY_THREAD_SERIALIZED, true, &other), FERRY_ETHREAD);
	CHECK(strstr(ferry_last_error(), "second engine") != NULL);
	CHECK_OK(port->ops->close(port, true));
	/* the first is gone */
	CHECK_OK(fy_mpi_port_open(NULL, FERRY_THREAD_SERIALIZED, true, &port));
	CHECK_OK(port->ops->close(port, true));
	MPI_Barrier(MPI_COMM_WORLD);
	usleep(50000);
	MPI_Finalize();
	return 0;
}
