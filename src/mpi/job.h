/* SPDX-License-Identifier: Apache-2.0 */
/* Whether this process has the MPI, and is in the job, that the user means. */
#ifndef FY_MPI_JOB_H
#define FY_MPI_JOB_H

/* The MPI that the process calls is that of this build. Before any other call of MPI. 0
 * or FERRY_ENOTSUP. */
int fy_mpi_job_check_library(void);
/* The launcher that started the process is one that this MPI knows. MPI must run. 0
 * or FERRY_ENOTSUP. */
int fy_mpi_job_check_launcher(void);

#endif
