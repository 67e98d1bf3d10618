#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Ways to hang: each is proved, in the words of the program, and only likely while one more thread
# sleeps outside of Ferry. A rank that is stopped and a handler that blocks are never proved.
. "$TEST_SRCDIR/tests/support/jobs.sh"
if [ "$TEST_MPI" = "Open MPI" ]; then
	echo "SKIP: the helper threads of Open MPI have the names of those that began them, so they count as the program's"
	exit 77
fi
program=$TEST_BUILDDIR/tests/mpi/hangs

# They sleep, so several are there at once.
for way in unread unread_then_close blocking_handler retained_request both_receive pool_of_one stopped \
	fence_here close_here wrong_op promise retained_all fence_here_close_there; do
	beside $way job 2 $way "$work/$way.pictures"
done

# hangs WAY VERDICT PATTERN...: that verdict, and a line for each pattern.
hangs() {
	way=$1
	verdict=$2
	shift 2
	of "$way"
	check "$way: likely with a thread that sleeps" printed "^$way: with a thread that sleeps: likely$"
	check "$way: that thread is named" printed '"one-too-many", thread [0-9]'
	check "$way: $verdict" printed "^$way: alone: $verdict$"
	for pattern; do
		check "$way: says $pattern" printed "$pattern"
	done
}

printed() {
	grep -q -e "$1" "$work/out"
}

# The helper threads of other MPIs have no names by which they are known.
[ "$TEST_MPI_ID" = mpich ] && proved=proved || proved=likely

hangs unread "$proved" '^rank 0: .*waits in a post for room at rank 1' \
	'^rank 1: .*waits in ferry_fence; .* messages of op 0x5 are unread, the first from rank 0'
hangs unread_then_close "$proved" \
	'^rank 1: .*waits in ferry_close; .* messages of op 0x5 are unread'
hangs blocking_handler likely 'the root is rank 1: the inline handler of op 0x5 has not returned'
hangs retained_request "$proved" '^rank 0: .*waits for the reply of rank 1 to a call' \
	'^rank 1: .*it retained 1 request of op 0x5 and did not answer'
hangs both_receive "$proved" '^rank 0: .*waits in ferry_recv for op 0x5 from rank 1' \
	'a circle: rank 0 waits for rank 1, rank 1 waits for rank 0'
hangs pool_of_one "$proved" \
	'^rank 0: .*thread "ferry-worker" waits for the reply of rank 1 to a call' \
	'1 message of op 0x7 waits for a thread of its executor'
hangs stopped likely '^rank 1: silent' 'the root is rank 1: silent'
hangs fence_here "$proved" '^rank 0: .*waits in ferry_fence' 'rank 0 waits for rank 1'
hangs close_here "$proved" '^rank 0: .*waits in ferry_close' 'its close waits for rank 1'
hangs wrong_op "$proved" \
	'^rank 1: .*waits in ferry_recv for op 0x5 from rank 0; 1 message of op 0x7 is unread'
hangs promise "$proved" 'the root is rank 0: .*waits for a promise that nobody has fulfilled'
hangs retained_all "$proved" '^rank 1: .*it retained .* messages of op 0x5 and did not release them'
of fence_here_close_there
check "fence here, close there: the fence is refused" printed '^the fence: an argument is wrong$'
finish
