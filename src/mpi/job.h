/* SPDX-License-Identifier: Apache-2.0 */
/* Whether this process has the MPI, and is in the job, that the user means. Only the thread that
 * opens. */
#pragma once

/* Check that the MPI of this process is the one of this build. Call it before any other function of
 * MPI. 0 or FERRY_ENOTSUP. */
int fy_mpi_job_check_library(void);
/* After that: the name and version of this MPI; "": not known. */
const char *fy_mpi_job_library(void);
/* Check that this MPI knows the launcher that started the process. MPI must be initialized. 0 or
 * FERRY_ENOTSUP. */
int fy_mpi_job_check_launcher(void);
