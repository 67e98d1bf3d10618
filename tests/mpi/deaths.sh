#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A rank dies, and the others go on. MPICH's launcher has to leave them alive: one proxy a rank, no
# cleanup.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/tests/mpi/deaths
if [ "$TEST_MPI_ID" != mpich ]; then
	echo "SKIP: how to keep ranks alive beside a dead one is known of MPICH's launcher alone"
	exit 77
fi

if [ "$TEST_SANITIZER" != no ]; then
	echo "SKIP: a build with a sanitizer is too slow for its timeouts"
	exit 77
fi

survive() { # how when
	rm -f "$work/said"
	launch -disable-auto-cleanup -launcher fork -hosts a:1,b:1,c:1,d:1 -n 4 "$program" "$@" \
		"$work/said"
	cat "$work/said" >>"$work/out"
	for rank in 0 1 3; do
		check "$1, $2: rank $rank goes on" says "^rank $rank went on"
	done
}

survive kill idle
survive kill large
survive exit calls
survive stop calls
check "stop: who was left out stops" says '^rank 2 stopped'
survive abort calls
check "abort: it stops" says '^rank 2 stopped'
finish
