#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# stuck_after speaks when nothing moves while something is open, and of nobody who is idle or slow;
# ferry_dump and dump_signal write what the threads wait for.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/tests/mpi/stuck

said() {
	grep -q -e "$1" "$work/err"
}

silent() {
	! grep -q 'nothing has moved' "$work/err"
}

unproved() {
	! grep -q 'this job is stuck' "$work/err"
}

job 2 call
check "a call without a reply" ended_with 0
check "a call without a reply is told" said \
	'^ferry: rank 0: nothing has moved here for 0\.[2-6] s while .*waits for the reply of rank 1 to a call'
check "it is told once" [ "$(grep -c '^ferry: rank 0: nothing has moved' "$work/err")" = 1 ]
job 2 handler
check "a handler that blocks" ended_with 0
check "a handler that blocks is told where it does" said \
	'^ferry: rank 1: nothing has moved .*the inline handler of op 0x6 has not returned'
job 2 idle
check "readers without mail" ended_with 0
check "readers without mail are not named" silent
# The helper threads of other MPIs have no names by which they are known, so nothing is proved.
if [ "$TEST_MPI_ID" = mpich ]; then
	job 2 proved
	check "who can prove it says so" said '^ferry: rank 0: this job is stuck (stuck_after), proved: nothing can go on any more$'
	check "and why" said '^ferry: rank 0: rank 0: .*waits for the reply of rank 1 to a call'
	check "one rank says so, once" [ "$(grep -c 'this job is stuck' "$work/err")" = 1 ]
	job 2 likely
	check "with a thread that sleeps it is told" said '^ferry: rank 0: nothing has moved here'
	check "but not as proved" unproved
fi
job 2 slow
check "slow answers" ended_with 0
check "slow answers are not named" silent
job 2 dump
check "ferry_dump beside calls" ended_with 0
check "ferry_dump names the wait" said 'thread "stuck" waits for the reply of rank 1 to a call (for'
job 2 signal
check "dump_signal" ended_with 0
check "dump_signal names the wait" said 'thread "stuck" waits for the reply of rank 1 to a call (for'
finish
