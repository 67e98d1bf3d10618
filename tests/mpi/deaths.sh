#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A rank dies, and the others go on: nine of the deaths that tests/stress/deaths.sh tries, and an end
# by ferry_abort. Two at a time, because each is mostly a wait for the timeout; but what copies large
# messages runs alone. More of them at once starve each other: a rank that does not answer within a
# third of the timeout, 0.33 s here, is left out.
. "$TEST_SRCDIR/tests/support/jobs.sh"
case $TEST_MPI_ID in
mpich | openmpi) ;;
*)
	echo "SKIP: how to keep ranks alive beside a dead one is known of MPICH and Open MPI alone"
	exit 77
	;;
esac
if [ "$TEST_SANITIZER" != no ]; then
	echo "SKIP: a build with a sanitizer is too slow for its timeouts"
	exit 77
fi
. "$TEST_SRCDIR/tests/support/deaths.sh"

# They fill up the machine together, so no other test of MPI runs beside them.
exec 9>"${TMPDIR:-/tmp}/ferry-test.$(id -u).lock"
flock 9

at_once() { # "PLACE HOW WHEN"...
	for cell in "$@"; do
		death $cell 0 "$work/$cell" 9>&- &
	done
	wait
	for cell in "$@"; do
		set -- $cell
		ended_well "$2" "$work/$cell"
		status=$?
		cat "$work/$cell/said" "$work/$cell/out" >"$work/out" 2>/dev/null
		check "$cell" ended_with 0
	done
}

at_once 'tcp kill posts' 'shm stop fence'
at_once 'tcp kill close' 'tcp kill open'
# By shared memory a rank that is stopped in the middle of a post leaves others deaf now and then, see
# doc/reliability.md: tests/stress/deaths.sh tries that.
at_once 'tcp stop posts' 'tcp kill fence'
at_once 'shm stop close' 'tcp abort calls'
at_once 'tcp stop large'
at_once 'shm kill large'
finish
