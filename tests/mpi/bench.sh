#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The benchmark of many futures runs, with little to do, and finds what it claims.
few=1000
many=20000
[ "${TEST_SLOW:-1}" -le 1 ] || many=5000
"$TEST_BUILDDIR/tools/futures" $few $many || exit 1
! "$TEST_BUILDDIR/tools/futures" nothing 2>/dev/null || { echo "a count that is none was taken"; exit 1; }
for what in post future call isend structs; do
	"$TEST_BUILDDIR/tools/instructions" $what 64 3 >/dev/null || exit 1
done
! "$TEST_BUILDDIR/tools/instructions" nothing 64 3 2>/dev/null || { echo "an operation that is none was taken"; exit 1; }
