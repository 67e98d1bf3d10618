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
 * to did not start it as well: then the process is alone on purpose, as with
 * `mpiexec -n 1` inside of a job of another MPI. So variables of that manager are
 * never held against a process: what a rank starts inherits them.
 *
 * srun is not refused. It sets its variables for a shell as well, in which
 * programs of one rank are started on purpose. It is said on stderr, once.
 */
#include "mpi/job.h"

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry_mpi.h"
#include "base/fail.h"

/* What FERRY_MPI_H_NAME of ferry_mpi.h refers to; see there. */
void FERRY_MPI_H_NAME(void)
{
}

#if defined(OMPI_MAJOR_VERSION)
enum { FOR_OPEN_MPI = 1, FOR_MPICH = 0 };
#define BUILT_FOR "Open MPI"
#elif defined(MPICH_VERSION)
enum { FOR_OPEN_MPI = 0, FOR_MPICH = 1 };
#define BUILT_FOR "MPICH"
#else
enum { FOR_OPEN_MPI = 0, FOR_MPICH = 0 };
#define BUILT_FOR "another MPI"
#endif

/* ---- the library --------------------------------------------------------- */

/* Every MPI whose library may be taken for MPICH's says one of these. */
static bool speaks_as_mpich(const char *version)
{
	return strstr(version, "MPICH") || strstr(version, "Intel(R) MPI") ||
	       strstr(version, "MVAPICH");
}

int fy_mpi_job_check_library(void)
{
	/* MPI writes as much as its own header says, and MPICH says the most. */
	static char version[8192];
	int length = 0;
	if (MPI_Get_library_version(version, &length) != MPI_SUCCESS)
		return FERRY_OK;
	bool open_mpi = strstr(version, "Open MPI") != NULL;
	if (!(FOR_MPICH && open_mpi) && !(FOR_OPEN_MPI && !open_mpi && speaks_as_mpich(version)))
		return FERRY_OK;
	version[strcspn(version, "\n,")] = '\0';
	for (char *tab; (tab = strchr(version, '\t')) != NULL;)
		*tab = ' ';
	return fy_fail(FERRY_ENOTSUP,
	               "this Ferry was built for " BUILT_FOR
	               ", and the MPI of this process is %.40s: link the program with the MPI of "
	               "pkg-config --variable=mpicc ferry-" FERRY_MPI_ID
	               ", or with another build of Ferry",
	               version);
}

/* ---- the launcher ---------------------------------------------------------- */

/* Was it there when the program began? Open MPI sets its launcher's variables by itself where there
 * was none. */
static bool began_with(const char *variable)
{
	FILE *file = fopen("/proc/self/environ", "re");
	if (!file)
		return getenv(variable) != NULL;
	char *line = NULL;
	size_t size = 0, length = strlen(variable);
	bool found = false;
	while (!found && getdelim(&line, &size, '\0', file) > 0)
		found = strncmp(line, variable, length) == 0 && line[length] == '=';
	free(line);
	fclose(file);
	return found;
}

/* The manager that this MPI speaks to started the process. PMI is spoken by several; MPICH reaches
 * those that say how. */
static bool started_by_ours(void)
{
	if (FOR_OPEN_MPI)
		return began_with("OMPI_COMM_WORLD_SIZE") || began_with("PMIX_RANK");
	return FOR_MPICH && (began_with("PMI_FD") || began_with("PMI_PORT"));
}

/* The number in a variable; -1 if there is none. */
static long number(const char *variable)
{
	const char *text = getenv(variable);
	char *end;
	if (!text || *text < '0' || *text > '9')
		return -1;
	long value = strtol(text, &end, 10);
	return *end == '\0' ? value : -1;
}

/* What other managers say: a size above 1, or a rank above 0. */
static const struct {
	const char *variable;
	long most; /* what it says of a process that is alone */
	bool ours; /* Open MPI may have set it by itself */
} said_by_others[] = {
	{ "OMPI_COMM_WORLD_SIZE", 1, FOR_OPEN_MPI },
	{ "OMPI_COMM_WORLD_RANK", 0, FOR_OPEN_MPI },
	{ "PMI_SIZE", 1, false },
	{ "PMI_RANK", 0, false },
	{ "PMIX_RANK", 0, FOR_OPEN_MPI },
};

static const char *launcher(void)
{
	return *FERRY_MPIEXEC ? FERRY_MPIEXEC : "the launcher of " BUILT_FOR;
}

/* Slurm started several tasks and knows nothing of this MPI; the first of them says so. */
static void mention_srun(void)
{
	static bool said; /* under the lock of life.c */
	long tasks = number("SLURM_STEP_NUM_TASKS");
	if (said || tasks < 2 || number("SLURM_PROCID") > 0)
		return;
	said = true;
	fprintf(stderr,
	        "ferry: srun started %ld tasks, and this process is alone for " BUILT_FOR
	        ": give srun a --mpi= that this MPI knows (srun --mpi=list), or start the job with "
	        "%s\n",
	        tasks, launcher());
}

int fy_mpi_job_check_launcher(void)
{
	char names[128] = "";
	bool several = false;
	int size = 1;
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	if (size > 1 || started_by_ours())
		return FERRY_OK;
	for (size_t i = 0; i < sizeof said_by_others / sizeof said_by_others[0]; i++) {
		const char *variable = said_by_others[i].variable;
		size_t length = strlen(names);
		if (said_by_others[i].ours || number(variable) < 0)
			continue;
		several = several || number(variable) > said_by_others[i].most;
		snprintf(names + length, sizeof names - length, "%s%s", length ? " " : "",
		         variable);
	}
	if (several)
		return fy_fail(FERRY_ENOTSUP,
		               "a launcher started this process as one of several (%s), but it is "
		               "alone for " BUILT_FOR ": start the job with %s (where one rank "
		               "alone is meant, unset these variables)",
		               names, launcher());
	mention_srun();
	return FERRY_OK;
}
