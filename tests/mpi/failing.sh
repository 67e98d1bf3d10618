#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Calls of MPI that fail: a sample of what failing.c tries. make stress tries all of it.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/tests/mpi/failing
# What MPI may still have is never freed, and MPI keeps what a call that failed has left.
export ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}"

all_end() { ended_with 0 && says 'all futures end, and the closes'; }

job 2
check "each function of MPI fails here and there, and all futures and closes end" all_end
# What a process calls once, at its first engine.
for function in MPI_Comm_dup MPI_Comm_create_errhandler; do
	job 2 "$function" 1 0
	check "the first engine of a process, where $function fails" all_end
done
# What MPI refuses for good on all ranks, as it does wrong arguments.
for call in 'MPI_Igather 1' 'MPI_Igather 2' 'MPI_Ireduce 1'; do
	job 2 $call 3 1 2
	check "$call is refused on both ranks" all_end
done
finish
