#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the ranks of a host know of one another, and what an engine does where the system gives no more:
# tests/mpi/late.sh with peer_timeout 1 s, and tests/mpi/resources.sh, ONE_HOST_RUNS times each (20), with all
# that they can try. Ten minutes.
. "$(dirname "$0")/common.sh"
built tests/mpi/late
built tests/mpi/resources
LATE_MS=1000 LATE_ALL=yes RESOURCES_ALL=yes
TEST_MPI_ID=${TEST_MPI_ID-$(configured MPI_ID)} TEST_SANITIZER=${TEST_SANITIZER-no}
export LATE_MS LATE_ALL RESOURCES_ALL TEST_MPI_ID TEST_SANITIZER
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
for test in late resources; do
	passed=0 run=0
	while [ $run -lt "${ONE_HOST_RUNS-20}" ]; do
		run=$((run + 1))
		"$TEST_SRCDIR/tests/mpi/$test.sh" >"$log" 2>&1 && passed=$((passed + 1)) || tail -n 20 "$log"
	done
	if [ $passed -eq $run ]; then
		echo "PASS: $test: $run runs"
	else
		echo "FAIL: $test: $passed of $run runs"
		failed=1
	fi
done
exit $failed
