/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All ranks come to the same verdict on an open: they compare, each offers its status, and all hear
 * the result. Only the thread that opens. It makes each of these calls, whatever fails on it,
 * because the others wait for it there.
 */
#include "mpi/verdict.h"

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ferry.h"
#include "mpi/await.h"
#include "mpi/error.h"
#include "mpi/port.h"
#include "port/port.h"

#define AGREE_PIECE 256u
#define AGREE_MAX 65536u /* a larger number of bytes is taken for garbage */

_Static_assert(sizeof(MPI_Request) <= sizeof(void *), "a request fits into the handle");

static int bcast(MPI_Comm comm, void *data, size_t nbytes, int root)
{
	MPI_Request request;
	int code = FY_MPI_AWAIT_CALL(MPI_Ibcast(data, (int)nbytes, MPI_BYTE, root, comm, &request));
	return code == MPI_SUCCESS ? fy_mpi_await(&request, INT64_MAX) : code;
}

static int start_lowest(MPI_Comm comm, const int *mine, int *all, MPI_Request *request)
{
	return FY_MPI_AWAIT_CALL(MPI_Iallreduce(mine, all, 1, MPI_INT, MPI_MIN, comm, request));
}

static int lowest_of(MPI_Comm comm, int mine, int *all)
{
	MPI_Request request;
	int code = start_lowest(comm, &mine, all, &request);
	return code == MPI_SUCCESS ? fy_mpi_await(&request, INT64_MAX) : code;
}

void fy_mpi_verdict_first_of(int *first, int code)
{
	if (*first == MPI_SUCCESS)
		*first = code;
}

/* Compare with rank 0's bytes, in pieces, because there may be no memory for all of them. */
static int compare(fy_port *port, const unsigned char *mine, uint64_t count, unsigned char *theirs,
                   size_t nbytes, bool *same_p)
{
	unsigned char piece[AGREE_PIECE];
	int failed = MPI_SUCCESS;
	*same_p = count == nbytes;
	for (uint64_t at = 0; at < count; at += AGREE_PIECE) {
		size_t length = count - at < AGREE_PIECE ? (size_t)(count - at) : AGREE_PIECE;
		size_t known = at >= nbytes           ? 0
		               : nbytes - at < length ? nbytes - (size_t)at
		                                      : length;
		if (port->rank == 0)
			memcpy(piece, mine + at, length);
		int code = bcast(fy_mpi_port_of(port)->comm, piece, length, 0);
		fy_mpi_verdict_first_of(&failed, code);
		if (code != MPI_SUCCESS || known == 0)
			continue;
		*same_p = *same_p && memcmp(mine + at, piece, known) == 0;
		memcpy(theirs + at, piece, known);
	}
	return failed;
}

/* Rank 0's number of bytes counts, because another version of this library may have another one. */
int fy_mpi_verdict_agree(fy_port *port, const void *mine, void *theirs, size_t nbytes, int *rank_p)
{
	uint64_t count = nbytes;
	bool same;
	int first = port->size, failed = bcast(fy_mpi_port_of(port)->comm, &count, sizeof count, 0);
	if (failed != MPI_SUCCESS && count > AGREE_MAX)
		count = nbytes;
	fy_mpi_verdict_first_of(&failed, compare(port, mine, count, theirs, nbytes, &same));
	fy_mpi_verdict_first_of(&failed,
	                        lowest_of(fy_mpi_port_of(port)->comm,
	                                  same || failed != MPI_SUCCESS ? port->size : port->rank,
	                                  &first));
	if (failed != MPI_SUCCESS)
		return fy_mpi_error_fail("MPI_Ibcast or MPI_Iallreduce", failed);
	if (first == port->size)
		return 0;
	*rank_p = first;
	return FERRY_ENOTSUP;
}

void fy_mpi_verdict_offer(fy_port *port, int status, const char *text)
{
	struct fy_mpi_port *mpi = fy_mpi_port_of(port);
	mpi->word.status = status;
	snprintf(mpi->word.text, sizeof mpi->word.text, "%s", text);
	mpi->mine = status ? port->rank : port->size + port->attended;
	mpi->asked_code = start_lowest(mpi->comm, &mpi->mine, &mpi->lowest, &mpi->asked);
}

static void could_not_hear(struct fy_mpi_word *word, int code)
{
	word->status = FERRY_EMPI;
	snprintf(word->text, sizeof word->text, "%s",
	         fy_mpi_error_text(
			 "MPI_Iallreduce or MPI_Ibcast, with which the ranks agree on an open",
			 code));
}

/*
 * There are two rounds, because MPI may fail on a rank after that rank took part. A rank that did
 * not hear the answer of the first round says so in the second. A rank that does not hear the
 * second uses the first.
 */
int fy_mpi_verdict_settle(fy_port *port, char text[FY_SENTENCE], int *rank_p)
{
	struct fy_mpi_port *mpi = fy_mpi_port_of(port);
	int first, last, code = mpi->asked_code;
	if (code == MPI_SUCCESS)
		code = fy_mpi_await(&mpi->asked, INT64_MAX);
	first = code == MPI_SUCCESS ? mpi->lowest : port->rank;
	if (code != MPI_SUCCESS && mpi->word.status == 0)
		could_not_hear(&mpi->word, code);
	code = lowest_of(mpi->comm, first, &last);
	if (code != MPI_SUCCESS)
		last = first;
	port->attended = last > port->size;
	if (last >= port->size)
		return 0;
	struct fy_mpi_word word = mpi->word;
	code = bcast(mpi->comm, &word, sizeof word, last);
	if (code != MPI_SUCCESS || word.status >= 0)
		could_not_hear(&word, code);
	word.text[sizeof word.text - 1] = '\0';
	memcpy(text, word.text, sizeof word.text);
	*rank_p = last;
	return word.status;
}
