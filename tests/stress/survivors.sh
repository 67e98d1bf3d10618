#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tests/mpi/survivors.sh with each way to die, 20 times. Minutes.
. "$(dirname "$0")/common.sh"
built tests/mpi/survivors
TEST_MPI_ID=${TEST_MPI_ID-$(configured MPI_ID)} TEST_SANITIZER=${TEST_SANITIZER-no}
export TEST_MPI_ID TEST_SANITIZER
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
runs=${RUNS:-20} bad=0
for run in $(seq "$runs"); do
	TEST_ALL=1 sh "$TEST_SRCDIR/tests/mpi/survivors.sh" >"$log" 2>&1 || {
		bad=$((bad + 1))
		echo "run $run:"
		tail -n 30 "$log"
	}
done
[ $bad -eq 0 ] && echo "PASS: $runs runs" || echo "FAIL: $bad of $runs runs"
exit $((bad != 0))
