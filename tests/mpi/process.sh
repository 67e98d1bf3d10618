#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A program that leaves without ferry_close ends at once, with its own status. And without a
# launcher there is one rank, which works like any.
. "$TEST_SRCDIR/tests/support/environment.sh"
programs=$TEST_BUILDDIR/tests/mpi
failures=0

# check WHAT STATUS COMMAND...
check() {
	what=$1
	wanted=$2
	shift 2
	output=$(timeout --kill-after=5 30 "$@" </dev/null 2>&1)
	status=$?
	if [ "$wanted" = failure ] && [ $status -ne 0 ] && [ $status -lt 124 ] || [ "$wanted" = $status ]; then
		echo "ok: $what"
	else
		echo "FAILED: $what: status $status, not $wanted"
		printf '%s\n' "$output" | tail -n 20
		failures=$((failures + 1))
	fi
}

for i in 1 2 3 4 5; do
	check "exit without close, alone, $i" 7 "$programs/process" exit
done
if [ -n "$MPIEXEC" ]; then
	check "exit without close, two ranks" failure \
		flock "${TMPDIR:-/tmp}/ferry-test.$(id -u).lock" $MPIEXEC $MPIEXEC_FLAGS -n 2 "$programs/process" exit
fi
check "no launcher" 0 "$programs/selfpost" alone
check "the README's program without a launcher" 0 "$TEST_BUILDDIR/examples/hello"
[ $failures -eq 0 ]
