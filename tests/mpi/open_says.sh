#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An open that waits says for what, on stderr, and goes on when that is over; one that does not wait
# says nothing.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/tests/mpi/open_says

# said WHAT WHO PATTERN
said() {
	check "$1: ends well" ended_with 0
	check "$1: it is said for what" says "^ferry: $2ferry_open has waited [01]\.[0-9]* s for: $3"
}

# waits_for WHAT WHO PATTERN: an open that waits 600 ms says it after 100 ms.
waits_for() {
	FERRY_TEST_SAYS=100 job 2 "$1"
	said "$@"
}

FERRY_TEST_SAYS=100 launch -n 1 "$program" init 0 : -n 1 "$program" init 1
said init '' 'MPI_Init_thread, which waits for all ranks of the job$'
waits_for late 'rank 0: ' 'other ranks, not all of which have come to it$'
waits_for nothread 'rank 0: ' 'other ranks, not all of which have come to it$'
waits_for dup 'rank 0: ' 'MPI_Comm_dup_with_info, in which all ranks are .* died, and only the launcher can end the job$'
waits_for answer 'rank 0: ' 'an answer of the other ranks, .* died, and only the launcher can end the job$'
job 2 late
check "after ten seconds, not before" ended_with 0
check "after ten seconds, not before: nothing is said" does_not_say '^ferry:'
finish
