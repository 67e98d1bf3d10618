/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two MPIs on one machine: mistakes that MPI itself does not notice. Only the thread that opens.
 *
 * The handles of MPICH are numbers, those of Open MPI are addresses. So a library that was built
 * for one and calls the other crashes. In both MPI_Get_library_version has the same arguments, and
 * says which MPI it is.
 *
 * A process that a launcher of another MPI started finds no process manager that it knows. It
 * becomes rank 0 of 1; so instead of a job of three ranks there are three jobs of one, which end
 * with status 0. The launcher's variables in the environment show this. They count only if the
 * process is alone, and if it was not also started by a manager that this MPI knows. In the latter
 * case the process is alone on purpose, as with `mpiexec -n 1` inside of a job of another MPI. The
 * variables of that manager itself never count, because whatever a rank starts inherits them.
 *
 * srun only gets a line on stderr, once, because it sets its variables also for a shell in which
 * programs of one rank are started on purpose.
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
#include "base/log.h"

/* The function that ferry_mpi.h refers to, so that programs link with the right Ferry. */
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

/* Each MPI that has MPICH's ABI has one of these words in its version. */
static bool speaks_as_mpich(const char *version)
{
	return strstr(version, "MPICH") || strstr(version, "Intel(R) MPI") ||
	       strstr(version, "MVAPICH");
}

/* MPI writes up to the maximum of its own header. MPICH's is the largest. */
static char version[8192];

const char *fy_mpi_job_library(void)
{
	return version;
}

/* Its first words. */
static void shorten_version(void)
{
	version[strcspn(version, "\n,")] = '\0';
	for (char *tab; (tab = strchr(version, '\t')) != NULL;)
		*tab = ' ';
}

int fy_mpi_job_check_library(void)
{
	int length = 0;
	if (MPI_Get_library_version(version, &length) != MPI_SUCCESS)
		version[0] = '\0';
	bool open_mpi = strstr(version, "Open MPI") != NULL;
	bool fits = !(FOR_MPICH && open_mpi) &&
	            !(FOR_OPEN_MPI && !open_mpi && speaks_as_mpich(version));
	shorten_version();
	if (fits)
		return FERRY_OK;
	return fy_fail(FERRY_ENOTSUP,
	               "this Ferry was built for " BUILT_FOR
	               ", and the MPI of this process is %.40s: link the program with the MPI of "
	               "pkg-config --variable=mpicc ferry-" FERRY_MPI_ID
	               ", or with another build of Ferry",
	               version);
}

/* ---- the launcher ---------------------------------------------------------- */

/* Was the variable set when the program began? Without a launcher Open MPI sets its launcher's
 * variables by itself later. */
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

/* Was the process started by a manager that this MPI knows? Several managers speak PMI. MPICH can
 * reach one if a variable says how. */
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

/* Variables by which other managers say that there are several ranks. */
static const struct {
	const char *variable;
	long most; /* the highest value for a process that is alone */
	bool ours; /* does not count, because Open MPI may have set it by itself */
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

/* Slurm started several tasks and does not know this MPI. The first task says so. */
static void mention_srun(void)
{
	static bool said; /* under the lock of life.c */
	long tasks = number("SLURM_STEP_NUM_TASKS");
	if (said || tasks < 2 || number("SLURM_PROCID") > 0)
		return;
	said = true;
	fy_log_say(NULL, -1,
	           "srun started %ld tasks, and this process is alone for " BUILT_FOR
	           ": give srun a --mpi= that this MPI knows (srun --mpi=list), or start the job "
	           "with %s",
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
