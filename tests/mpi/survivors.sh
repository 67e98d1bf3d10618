#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A rank dies in a fence or a close, and the others go on with it. MPICH's launcher has to leave
# them alive: one proxy a rank, no cleanup.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/tests/mpi/survivors
if [ "$TEST_MPI_ID" != mpich ]; then
	echo "SKIP: how to keep ranks alive beside a dead one is known of MPICH's launcher alone"
	exit 77
fi

if [ "$TEST_SANITIZER" != no ]; then
	echo "SKIP: a build with a sanitizer is too slow for its timeouts"
	exit 77
fi

survive() { # how when ranks
	rm -f "$work/said"
	launch -disable-auto-cleanup -launcher fork -hosts a:1,b:1,c:1,d:1 -n 4 "$program" "$1" "$2" \
		"$work/said"
	cat "$work/said" >>"$work/out"
	for rank in $3; do
		check "$1, $2: rank $rank goes on" says "^rank $rank ended"
	done
}

survive kill fence "0 1 3"
survive kill close "0 1 3"
survive kill block "0 1 3"
check "the progress thread of rank 3 is left behind" says '^rank 3 left its thread behind'
if [ -n "$TEST_ALL" ]; then
	survive exit fence "0 1 3"
	survive exit close "0 1 3"
	survive stop fence "0 1 2 3"
	survive stop close "0 1 2 3"
	survive block block "0 1 2 3"
	check "the progress thread of rank 2 is left behind" says '^rank 2 left its thread behind'
fi
finish
