/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into ranks on hosts with a cable: the cable is a good one from MPI_Finalize on.
 * Over a link that loses frames jobs were seen to hang in there (MPICH 4.0.2): one rank in the
 * launcher's barrier, the others waiting for answers of the network. Plain MPI was not seen to do
 * so in 35 jobs, so whose fault it is is open. What is tested here is over by then.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int MPI_Finalize(void);
int PMPI_Finalize(void);

int MPI_Finalize(void)
{
	static const char good[] = "delay 0\njitter 0\nloss 0\ndouble 0\n";
	/* it obeys, and TCP repeats what was lost before */
	const struct timespec a_while = { 1, 0 };
	const char *cable = getenv("HOSTS_CABLE");
	int fd = cable ? open(cable, O_WRONLY | O_NONBLOCK) : -1;

	if (fd >= 0 && write(fd, good, sizeof good - 1) > 0)
		nanosleep(&a_while, NULL);
	if (fd >= 0)
		close(fd);
	return PMPI_Finalize();
}
