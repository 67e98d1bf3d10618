/* SPDX-License-Identifier: Apache-2.0 */
/* What port_mpi.c and its parts share; only they include MPI's header. */
#ifndef FY_MPI_LIFE_H
#define FY_MPI_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include <mpi.h>

/* One more port is open in this process; MPI is initialized afterwards. The level
 * that MPI gives is FERRY_THREAD_*. */
int fy_mpi_acquire(int level, bool exclusive, int *provided_p);
/* Likewise for a port that only tells the other ranks that this one failed. */
int fy_mpi_acquire_to_tell(int *provided_p);
/* One less. `clean`: all ranks closed it in good order. */
void fy_mpi_release(bool clean);
/* Some ranks leave it to us to finalize MPI and others do not: then the ranks
 * cannot be gathered before. `comm` must have all ranks; collective. */
int fy_mpi_compare_owners(MPI_Comm comm);

/* Wait for a request without keeping the core busy; `until` is monotonic time.
 * MPI's code, or MPI_ERR_PENDING when the time is over. */
int fy_mpi_await(MPI_Request *request, int64_t until);
/* A call of MPI that all ranks make failed here. The others wait in it, and MPI may lack something
 * for a moment only: true when it is to be made again, after a rest. `*tries` begins at 0. */
bool fy_mpi_again(int code, int *tries);

/* mpi_error.c: errors of one call in between return, which MPICH would raise on MPI_COMM_WORLD. */
void fy_mpi_shield_up(void);
void fy_mpi_shield_down(void);
/* Where MPI did not: an operation of that communicator failed. Its handler decides. */
void fy_mpi_raise(MPI_Comm comm, int code);
/* While an engine is open MPI_Finalize is a mistake, and ends the job with a sentence. */
void fy_mpi_watch_end(void);
void fy_mpi_unwatch_end(bool clean);
/* The text of an error, in one line; in memory of the calling thread. */
const char *fy_mpi_text(const char *what, int code);
const char *fy_mpi_last_text(void);
void fy_mpi_set_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
