#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What becomes of a process whose open failed: MPI, which the open had initialized, ends in good
# order.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/tests/mpi/opens

quiet() { [ ! -s "$work/out" ] && [ ! -s "$work/err" ]; }
quiet_with_3() { ended_with 3 && does_not_say 'BAD TERM' && does_not_say 'UCX' && does_not_say 'rror'; }

job 2 again
check "the open after one that failed works, and its close finalizes MPI" ended_with 0
check "... without a word" quiet
job 3 exit
check "a program that gives up ends with its own status" quiet_with_3
job 1 finalize
check "a close after which MPI_Finalize fails says so" ended_with 0
"$program" alone >"$work/out" 2>"$work/err" </dev/null
status=$?
check "without a launcher MPI is not initialized for nothing" ended_with 0
finish
