#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The controller and its workers, with 1, 2, 3 and 7 of them, and what it says when something is wrong.
. "$TEST_SRCDIR/tests/support/environment.sh"
if [ -z "$MPIEXEC" ]; then
	echo "SKIP: no MPI launcher: install mpich, or configure with MPIEXEC"
	exit 77
fi
controller=$TEST_BUILDDIR/examples/controller
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

# job RANKS ARG...: its output goes to $work/out, its exit status to $status.
job() {
	ranks=$1
	shift
	MPIEXEC_TIMEOUT=60 flock "${TMPDIR:-/tmp}/ferry-test.$(id -u).lock" \
		timeout --kill-after=10 70 $MPIEXEC $MPIEXEC_FLAGS -n "$ranks" "$controller" "$@" \
		</dev/null >"$work/out" 2>"$work/err"
	status=$?
}

# check WHAT COMMAND...: one line for each thing that is tested.
check() {
	what=$1
	shift
	if "$@"; then
		echo "ok: $what"
	else
		echo "FAILED: $what (the job ended with status $status)"
		cut -c 1-200 "$work/out" "$work/err" | tail -n 30
		failures=$((failures + 1))
	fi
}

failed() { [ "$status" -ne 0 ] && [ "$status" -lt 124 ]; }
says() { grep -q -e "$1" "$work/out" "$work/err"; }
says_verified() { [ "$status" -eq 0 ] && says '^verified$'; }

for workers in 1 2 3 7; do
	job $((workers + 1)) --size 240 --blocks 4 --threads 3
	check "$workers workers compute the product" says_verified
	check "run every task once, and hold nothing in the end" \
		says "^$workers workers, 3 threads: 82 of 82 tasks, .* 0 left after CLEANUP"
done
check "workers fetch from each other what another one made" says ' [1-9][0-9]* values fetched by workers'

job 3 --size 600 --blocks 2 --threads 1
check "blocks that travel out of band" says_verified
job 3 --size 7 --blocks 7 --threads 8
check "blocks of one number, more threads than blocks a thread" says_verified
job 2 --size 5 --blocks 1
check "one block" says_verified

job 3 --size 60 --corrupt 1
check "a number that is wrong is found" says 'is .*, not '
check "and the job fails" failed
check "and does not say verified" sh -c '! grep -q "^verified" "$1"' - "$work/out"

job 2 --size 10 --blocks 3
check "blocks that do not divide the size are refused" failed
check "with the usage" says '^usage: '

[ $failures -eq 0 ] && exit 0
echo "$failures failed"
exit 1
