#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The benchmarks run, with little to do, and find what they claim.
bench=$TEST_BUILDDIR/bench
few=1000
many=20000
[ "${TEST_SLOW:-1}" -le 1 ] || many=5000
"$bench/futures" $few $many || exit 1
! "$bench/futures" nothing 2>/dev/null || { echo "a count that is none was taken"; exit 1; }
for what in post future call isend structs; do
	"$bench/instructions" $what 64 3 >/dev/null || exit 1
done
! "$bench/instructions" nothing 64 3 2>/dev/null || { echo "an operation that is none was taken"; exit 1; }
