#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A rank dies in a fence or a close, and the others go on with it. MPICH's launcher has to leave
# them alive: one proxy a rank, no cleanup.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/tests/mpi/survivors
needs_survivors

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
