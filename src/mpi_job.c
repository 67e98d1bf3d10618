/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two MPIs on one machine: mistakes that MPI itself does not notice.
 *
 * The handles of MPICH are numbers and those of Open MPI are addresses. So a
 * library that was built for one and calls the other crashes. Both have
 * MPI_Get_library_version with the same arguments, so that one tells which it is.
 *
 * A process that a launcher of another MPI started finds no process manager
 * that it knows. It becomes rank 0 of 1, and three jobs of one rank end with
 * status 0. The launcher's variables in the environment tell. They are believed
 * only where the process is alone, and where the manager that this MPI speaks
 * to does not say the same: then the process is alone on purpose, as with
 * `mpiexec -n 1` inside of a job of another MPI. Variables of the manager that
 * this MPI speaks to are never held against it: what a rank starts inherits them.
 *
 * srun is not refused. It sets its variables for a shell as well, in which
 * programs of one rank are started on purpose. It is said on stderr, once.
 */
#include "mpi_job.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mpi.h>

#include "ferry_mpi.h"
#include "status.h"

/* What FERRY_MPI_H_NAME of ferry_mpi.h refers to; see there. */
void FERRY_MPI_H_NAME(void)
{
}

#if defined(OMPI_MAJOR_VERSION)
enum { OPEN_MPI = 1, MPICH_LIKE = 0 };
#define BUILT_FOR "Open MPI"
#elif defined(MPICH_VERSION)
enum { OPEN_MPI = 0, MPICH_LIKE = 1 };
#define BUILT_FOR "MPICH"
#else
enum { OPEN_MPI = 0, MPICH_LIKE = 0 };
#define BUILT_FOR "another MPI"
#endif

/* ---- the library --------------------------------------------------------- */

/* Every MPI whose library may be taken for MPICH's says one of these. */
static bool speaks_as_mpich(const char *version)
{
	return strstr(version, "MPICH") || strstr(version, "Intel(R) MPI") || strstr(version, "MVAPICH");
}

int fy_mpi_check_library(void)
{
	/* MPI writes as much as its own header says, and MPICH says the most. */
	static char version[8192];
	int length = 0;
	if (MPI_Get_library_version(version, &length) != MPI_SUCCESS)
		return FERRY_OK;
	bool open_mpi = strstr(version, "Open MPI") != NULL;
	if (!(MPICH_LIKE && open_mpi) && !(OPEN_MPI && !open_mpi && speaks_as_mpich(version)))
		return FERRY_OK;
	version[strcspn(version, "\n,")] = '\0';
	for (char *tab; (tab = strchr(version, '\t')) != NULL;)
		*tab = ' ';
	return fy_fail(FERRY_ENOTSUP,
	               "this Ferry was built for " BUILT_FOR ", and the MPI of this process is %.40s: link the program "
	               "with the MPI of pkg-config --variable=mpicc ferry-" FERRY_MPI_ID ", or with another build of Ferry",
	               version);
}

/* ---- the launcher ---------------------------------------------------------- */

/* The variables of a process manager; NULL where it has none. */
struct manager {
	const char *size, *rank;
	bool ours;
};

/* The number in a variable; -1 if there is none. */
static long number(const char *variable)
{
	const char *text = variable ? getenv(variable) : NULL;
	char *end;
	if (!text || *text < '0' || *text > '9')
		return -1;
	long value = strtol(text, &end, 10);
	return *end == '\0' ? value : -1;
}

/* PMI is spoken by several managers. MPICH reaches those that say how. */
static bool pmi_reached(void)
{
	return MPICH_LIKE && (getenv("PMI_FD") || getenv("PMI_PORT"));
}

static void add_name(char *names, size_t size, const char *variable)
{
	size_t length = strlen(names);
	if (variable && getenv(variable))
		snprintf(names + length, size - length, "%s%s", length ? " " : "", variable);
}

static int refuse(const char *names)
{
	return fy_fail(FERRY_ENOTSUP,
	               "a launcher started this process as one of several (%s), but it is alone for " BUILT_FOR
	               ": start the job with %s (where one rank alone is meant, unset these variables)",
	               names, *FERRY_MPIEXEC ? FERRY_MPIEXEC : "the launcher of " BUILT_FOR);
}

/* Slurm started several tasks and knows nothing of this MPI; the first of them says so. */
static void mention_srun(void)
{
	static bool said; /* under the lock of mpi_life.c */
	long tasks = number("SLURM_STEP_NUM_TASKS");
	if (said || tasks < 2 || number("SLURM_PROCID") > 0)
		return;
	said = true;
	fprintf(stderr,
	        "ferry: srun started %ld tasks, and this process is alone for " BUILT_FOR ": give srun a --mpi= that this "
	        "MPI knows (srun --mpi=list), or start the job with %s\n",
	        tasks, *FERRY_MPIEXEC ? FERRY_MPIEXEC : "its launcher");
}

int fy_mpi_check_launcher(void)
{
	const struct manager managers[] = {
		{ "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", OPEN_MPI },
		{ "PMI_SIZE", "PMI_RANK", pmi_reached() },
		{ NULL, "PMIX_RANK", OPEN_MPI },
	};
	enum { MANAGERS = sizeof managers / sizeof managers[0] };
	char names[128] = "";
	bool several = false, ours = false;
	int size = 1;
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	if (size > 1)
		return FERRY_OK;
	for (int i = 0; i < MANAGERS; i++)
		if (managers[i].ours && (number(managers[i].size) > 0 || number(managers[i].rank) >= 0))
			ours = true;
	for (int i = 0; i < MANAGERS && !ours; i++) {
		several = several || number(managers[i].size) > 1 || number(managers[i].rank) > 0;
		add_name(names, sizeof names, managers[i].size);
		add_name(names, sizeof names, managers[i].rank);
	}
	if (several)
		return refuse(names);
	if (!ours)
		mention_srun();
	return FERRY_OK;
}
