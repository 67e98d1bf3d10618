#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A close that waits says for what, on stderr, and ends when that is over; one that does not wait
# says nothing.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/tests/mpi/close_says

# waits_for WHAT RANK PATTERN: a close that waits 350 ms says it after 100 ms.
waits_for() {
	FERRY_TEST_SAYS=100 job 2 "$1"
	check "$1: ends well" ended_with 0
	check "$1: rank $2 says what it waits for" says "^ferry: rank $2: ferry_close has waited 0\.[1-3][0-9]* s for: .*$3"
}

waits_for late 0 'rank 1, not in ferry_close$'
waits_for nothread 0 'rank 1, not in ferry_close$'
waits_for inline 0 'the progress thread, which does not return from the inline handler of op 0x5$'
waits_for pool 0 '1 handler of op 0x5 running'
waits_for queue 0 'code from a queue, which ferry_close runs as no other thread does; .*1 handler of op 0x5 running'
waits_for finalize 1 'MPI_Finalize, in which MPI waits for the other ranks of the job\. .* end the job\..*FERRY_KEEP_MPI'
waits_for retained 1 '1 message of op 0x5 retained and not released'
job 2 late
check "after ten seconds, not before" ended_with 0
check "after ten seconds, not before: nothing is said" does_not_say '^ferry:'
job 2 unread
check "what is unread is told" says '^ferry: rank 1: closed with 1 message that nobody handled or read: 1 of op 0x5 from rank 0$'
finish
