#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The shared library shows what the public headers declare, and nothing else.
# Names of the static one begin with ferry_ or fy_, so that they meet no one else's.
[ -z "$TEST_COVERAGE" ] || { echo "SKIP: counts of gcov are exported"; exit 77; }
libs=$TEST_BUILDDIR/.libs
work=$TEST_BUILDDIR/tests/api/exports.tmp
mkdir -p "$work"
bad=0

declared() { cat "$TEST_SRCDIR"/include/*.h | tr '\n' ' ' | tr ';{}' '\n\n\n' |
	sed -n 's/.*FERRY_API [^(]*\b\(ferry_[a-z0-9_]*\)(.*/\1/p'
	# Named by a macro: the one for this MPI.
	sed -n "s/^#define FERRY_MPI_H_NAME \(ferry_.*_$TEST_MPI_ID\)\$/\1/p" "$TEST_SRCDIR/include/ferry_mpi.h"; }
defined() { $TEST_NM "$@" | awk 'NF == 3 && $2 ~ /[A-TV-Z]/ { print $3 }' | sort -u; }

declared | sort -u >"$work/declared"
if [ -f "$libs/libferry.so" ]; then
	# Sanitizers bring symbols of their own.
	defined -D "$libs/libferry.so" | grep -v '^__[a-z]*san_' >"$work/shown"
	comm -13 "$work/declared" "$work/shown" | sed 's/^/shown but not declared: /' >"$work/bad"
	comm -23 "$work/declared" "$work/shown" | sed 's/^/declared but not there: /' >>"$work/bad"
	cat "$work/bad"
	[ ! -s "$work/bad" ] || bad=1
fi
if [ -f "$libs/libferry.a" ]; then
	# DW.ref: the compiler's way to its own run time, one a program whoever brings it.
	defined -g "$libs/libferry.a" | grep -v '^ferry_\|^fy_\|^__[a-z]*san\|^__odr_asan\|^DW\.ref\.' |
		sed 's/^/a name that is not ours: /' >"$work/bad"
	cat "$work/bad"
	[ ! -s "$work/bad" ] || bad=1
fi
[ -s "$work/declared" ] || { echo "no declaration found"; bad=1; }
rm -rf "$work"
exit $bad
