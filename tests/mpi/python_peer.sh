#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A rank in Python, written from doc/wire-format.md alone, among C ranks: at each place of the
# tree, when it sends what is malformed or broken off, and when nobody answers it.
. "$TEST_SRCDIR/tests/support/environment.sh"
if [ -z "$MPIEXEC" ]; then
	echo "SKIP: no MPI launcher: install mpich, or configure with MPIEXEC"
	exit 77
fi
if [ -z "$PYTHON_PEER" ]; then
	echo "SKIP: no Python with msgpack and an mpi4py of this MPI ($TEST_MPI)"
	exit 77
fi
export PYTHONDONTWRITEBYTECODE=1
examples=$TEST_BUILDDIR/examples
peer="$PYTHON_PEER $TEST_SRCDIR/examples/python_peer.py"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

# job WHO...: one rank for each of c (C), p (Python) and h (hello); what follows -- is the peer's. Its
# output goes to $work/out and $work/err, its exit status to $status.
job() {
	ranks=
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		ranks="$ranks $1"
		shift
	done
	[ $# -eq 0 ] || shift
	launch=
	for rank in $ranks; do
		case $rank in
		c) launch="$launch : -n 1 $examples/python_host --deadline 30" ;;
		h) launch="$launch : -n 1 $examples/hello" ;;
		p) launch="$launch : -n 1 $peer --deadline 30 $*" ;;
		esac
	done
	MPIEXEC_TIMEOUT=60 flock "${TMPDIR:-/tmp}/ferry-test.$(id -u).lock" \
		timeout --kill-after=10 70 $MPIEXEC $MPIEXEC_FLAGS ${launch# : } \
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
# Every rank checks what it gets and says so.
verified() { [ "$status" -eq 0 ] && [ "$(grep -c '^python.*: verified ' "$work/out")" -eq "$1" ]; }

job c p
check "Python as rank 1 of 2" verified 2
job p c
check "Python as rank 0, the root of every agreement" verified 2
job c p c
check "Python between two C ranks" verified 3
job p c c
check "Python as the root of two C ranks" verified 3
job c p c c
check "Python with a child of its own" verified 4
job p
check "Python alone" verified 1

job c p c -- --misbehave all
check "what is malformed or broken off is refused, and everything else goes on" verified 3
check "the C rank that it was sent to counts it" says '^python_host, rank 0: .* 12 malformed$'
check "the other one saw nothing of it" says '^python_host, rank 2: .* 0 malformed$'

job h p -- --deadline 3
check "a peer that nobody answers gives up at its deadline" failed
check "and says what it waited for" says '^TimeoutError: rank 1 has waited 3.0 s for '

status=0
$peer --deadline 0 >"$work/out" 2>"$work/err" || status=$?
check "a deadline that makes no sense is refused" failed
check "with the usage" says '^usage: '

[ $failures -eq 0 ] && exit 0
echo "$failures failed"
exit 1
