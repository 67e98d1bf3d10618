/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One operation of MPI that the program starts: its record, its name, its end. Everything here is
 * the helm's.
 */
#include "mpi/start.h"

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ferry.h"
#include "base/log.h"
#include "base/order.h"
#include "future/future.h"
#include "mpi/error.h"
#include "mpi/starts.h"
#include "shared/engine.h"

#define REFUSED_MAX 100u /* how often a collective that MPI does not start is tried */

/* May the cause pass? Wrong arguments stay wrong. */
static bool may_pass_by(int code)
{
	int class = MPI_SUCCESS;
	if (code != MPI_SUCCESS)
		MPI_Error_class(code, &class);
	return class == MPI_ERR_OTHER || class == MPI_ERR_INTERN || class == MPI_ERR_NO_MEM;
}

/*
 * True: MPI did not start a collective, and it has to be tried again in a later step. The other
 * ranks wait for this one, so it is tried a few times if the cause may pass.
 */
bool fy_start_again(struct fy_mpi_starts *s, int code)
{
	bool may_pass = may_pass_by(code);
	s->n_failed_starts = may_pass ? s->n_failed_starts + 1 : 0;
	if (s->n_failed_starts <= REFUSED_MAX)
		return may_pass;
	s->n_failed_starts = 0;
	return false;
}

/* Progress between two tries, because what MPI lacks may come back by that. */
bool fy_start_at_once_again(struct fy_mpi_starts *s, int code, unsigned *tries)
{
	int found;
	if (!may_pass_by(code) || ++*tries > REFUSED_MAX)
		return false;
	MPI_Iprobe(MPI_ANY_SOURCE, s->tag_max, s->collectives, &found, MPI_STATUS_IGNORE);
	return true;
}

const char *fy_start_name(uint32_t what)
{
	static const char *const names[] = {
		[FY_START_FN] = "ferry_start",
		[FY_START_RUN] = "ferry_run",
		[FY_START_SEND] = "ferry_isend",
		[FY_START_RECV] = "ferry_irecv",
		[FY_START_SENDRECV] = "ferry_sendrecv",
		[FY_START_PROBE] = "ferry_improbe",
		[FY_START_MATCHED] = "ferry_imrecv",
		[FY_START_BARRIER] = "ferry_barrier",
		[FY_START_BCAST] = "ferry_bcast",
		[FY_START_REDUCE] = "ferry_reduce",
		[FY_START_ALLREDUCE] = "ferry_allreduce",
		[FY_START_GATHER] = "ferry_gather",
	};
	return names[what];
}

/* A function of the program may return any number. Asked for the text of a number that is none of
 * its codes, Open MPI ends the job. */
static const char *text_of(uint32_t what, int code)
{
#ifdef OPEN_MPI
	int *last = NULL, found = 0;
	MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_LASTUSEDCODE, &last, &found);
	if (code < 0 || (found && code > *last)) {
		fy_mpi_error_set_text("%s: the function returned %d, which is no code of MPI",
		                      fy_start_name(what), code);
		return fy_mpi_error_last_text();
	}
#endif
	return fy_mpi_error_text(fy_start_name(what), code);
}

static void empty_status(MPI_Status *mpi, int source, int code)
{
	memset(mpi, 0, sizeof *mpi);
	mpi->MPI_SOURCE = source;
	mpi->MPI_TAG = MPI_ANY_TAG;
	MPI_Status_set_elements(mpi, MPI_BYTE, 0);
	MPI_Status_set_cancelled(mpi, 0);
	mpi->MPI_ERROR = code;
}

void fy_start_keep_status(ferry_future *future, const MPI_Status *mpi)
{
	MPI_Status empty;
	if (fy_unlikely(!mpi)) {
		empty_status(&empty, MPI_ANY_SOURCE, MPI_SUCCESS);
		mpi = &empty;
	}
	memcpy(future->mpi_status, mpi, sizeof *mpi);
}

void fy_start_fail(struct fy_mpi_starts *s, ferry_future *future, uint32_t what, int status,
                   const char *detail)
{
	if (!future)
		fy_log_often(s->starts.engine->log, FERRY_LOG_WARNING, FY_OFTEN_NOBODY,
		             "%s, for which nobody waits, failed: %s; ask for its future to deal "
		             "with that",
		             fy_start_name(what), detail);
	else
		fy_future_complete(future, status, detail);
}

void fy_start_too_late(struct fy_mpi_starts *s, ferry_future *future, uint32_t what)
{
	fy_start_fail(s, future, what, FERRY_ESTOPPED,
	              "the engine was closed before it was started");
}

/* The operation failed. Source, tag and count of its MPI_Status do not count, so the program gets
 * an empty one. */
static void refuse(struct fy_mpi_starts *s, ferry_future *future, uint32_t what, int code)
{
	MPI_Status empty;
	const char *detail = text_of(what, code);
	empty_status(&empty, MPI_ANY_SOURCE, code);
	if (!future) {
		fy_start_fail(s, NULL, what, FERRY_EMPI, detail);
		return;
	}
	if (fy_future_claim(future)) {
		fy_start_keep_status(future, &empty);
		future->detail = strdup(detail);
		fy_future_finish(future, FERRY_EMPI);
	}
	ferry_future_release(future);
}

void fy_start_complete(struct fy_mpi_starts *s, ferry_future *future, uint32_t what,
                       const MPI_Status *mpi, int code)
{
	if (code != MPI_SUCCESS) {
		refuse(s, future, what, code);
		return;
	}
	if (!future)
		return;
	/* only the helm writes there, and of a cancelled future nobody reads it */
	fy_start_keep_status(future, mpi);
	fy_future_complete(future, FERRY_OK, NULL);
}

bool fy_start_depart(struct fy_mpi_starts *s, ferry_future *future, uint32_t what)
{
	if (fy_engine_has_stopped(s->starts.engine)) {
		fy_start_too_late(s, future, what);
		return false;
	}
	if (future && !fy_future_depart(future)) {
		ferry_future_release(future);
		return false;
	}
	return true;
}

/* A receive from MPI_PROC_NULL is done at once. Its status is set here as the standard says,
 * because MPICH's MPI_Testsome (4.0.2) leaves it unset. */
int fy_start_from_nobody(MPI_Request *request, MPI_Status *status)
{
	empty_status(status, MPI_PROC_NULL, MPI_SUCCESS);
	return MPI_Wait(request, MPI_STATUS_IGNORE);
}
