#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Jobs that are to end: an error on a communicator of the program's with MPI_ERRORS_ARE_FATAL, and
# MPI_Finalize without ferry_close.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/tests/mpi/handlers

for where in world copy; do
	for kind in receive send start; do
		job 1 fatal $kind $where
		check "a $kind that fails on a fatal communicator ($where) ends the job" failed
		check "... and nothing goes on" does_not_say 'the job goes on'
	done
done

for who in program engine; do
	job 2 forget $who
	check "MPI_Finalize without ferry_close, MPI by the $who: the job ends" failed
	check "... with a sentence" says '^ferry: MPI_Finalize was called while an engine is open: '
	check "... and does not return" does_not_say 'MPI_Finalize returned'
done
job 2 forget closed
check "MPI_Finalize after ferry_close" ended_with 0
check "... says nothing" does_not_say 'ferry:'
finish
