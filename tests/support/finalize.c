/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into ranks on hosts with a cable: the cable is a good one from MPI_Finalize on.
 * In there MPICH (4.0.2 over TCP) waits for answers, and a rank gives none any more once it has
 * its own. All enter at the same time, see src/mpi/life.c, so that is rare, but a frame that is
 * lost there makes it certain. What is tested here is over by then.
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
