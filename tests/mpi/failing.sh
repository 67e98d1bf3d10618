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
finish
