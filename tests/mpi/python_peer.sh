#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A rank in Python, written from doc/wire-format.md alone, among C ranks: at each place of the
# tree, when it sends what is malformed or broken off, and when nobody answers it.
. "$TEST_SRCDIR/tests/support/jobs.sh"
if [ -z "$PYTHON_PEER" ]; then
	echo "SKIP: no Python with msgpack and an mpi4py of this MPI ($TEST_MPI)"
	exit 77
fi
export PYTHONDONTWRITEBYTECODE=1
examples=$TEST_BUILDDIR/examples
peer="$PYTHON_PEER $TEST_SRCDIR/examples/python_peer.py"

# job WHO...: one rank for each of c (C), p (Python) and s (C, says nothing); what follows -- is the
# peer's.
job() {
	ranks=
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		ranks="$ranks $1"
		shift
	done
	[ $# -eq 0 ] || shift
	programs=
	for rank in $ranks; do
		case $rank in
		c) programs="$programs : -n 1 $examples/python_host --deadline 30" ;;
		s) programs="$programs : -n 1 $TEST_BUILDDIR/tests/mpi/silent" ;;
		p) programs="$programs : -n 1 $peer --deadline 30 $*" ;;
		esac
	done
	launch ${programs# : }
}

# Every rank checks what it gets and says so. A launcher may run two ranks' lines into one.
verified() { ended_with 0 && [ "$(grep -o 'python[^:]*: verified ' "$work/out" | wc -l)" -eq "$1" ]; }

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
check "the C rank that it was sent to counts it" says 'python_host, rank 0: [^:]*; 12 malformed'
check "the other one saw nothing of it" says 'python_host, rank 2: [^:]*; 0 malformed'

# It knows no checksums. Whoever differs from rank 0 says so.
export FERRY_CHECKSUM=1
job c p
check "checksums of all ranks but the peer are refused" says 'rank 1: this peer knows no checksums'
job p c
check "also where the peer is rank 0" says 'checksum is on here and off on rank 0'
unset FERRY_CHECKSUM

job s p -- --deadline 3
check "a peer that nobody answers gives up at its deadline" failed
check "and says what it waited for" says '^TimeoutError: rank 1 has waited 3.0 s for '

status=0
$peer --deadline 0 >"$work/out" 2>"$work/err" || status=$?
check "a deadline that makes no sense is refused" failed
check "with the usage" says '^usage: '

finish
