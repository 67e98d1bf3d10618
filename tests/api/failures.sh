#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Failure is tested and told for every function: each public one has a row in doc/failures.md and a
# case in tests/mpi/allocations.c; each function of MPI that the library calls fails in
# tests/mpi/failing.c. What is left out is named here, with its reason.
work=$TEST_BUILDDIR/tests/api/failures.tmp
mkdir -p "$work"
bad=0

# missing WHAT: what is in $work/all and not in $work/some.
missing() {
	sort -u "$work/all" >"$work/a" && sort -u "$work/some" >"$work/b"
	[ -s "$work/a" ] && [ -s "$work/b" ] || { echo "nothing found: $1"; bad=1; }
	comm -23 "$work/a" "$work/b" | sed "s,\$, $1," >"$work/bad"
	cat "$work/bad"
	[ ! -s "$work/bad" ] || bad=1
}

cat "$TEST_SRCDIR"/include/*.h | tr '\n' ' ' | tr ';{}' '\n\n\n' |
	sed -n 's/.*FERRY_API [^(]*\b\(ferry_[a-z0-9_]*\)(.*/\1/p' >"$work/all"
sed -n 's/^| \(`ferry_[^|]*\) |.*/\1/p' "$TEST_SRCDIR/doc/failures.md" | tr -s ' `' '\n\n' | grep . >"$work/some"
missing "has no row in doc/failures.md"
cp "$work/a" "$work/declared" && cp "$work/b" "$work/all" && cp "$work/declared" "$work/some"
missing "has a row in doc/failures.md but no header declares it"
cp "$work/declared" "$work/all"
sed -n 's/^	X(\(ferry_[a-z0-9_]*\), .*/\1/p' "$TEST_SRCDIR/tests/mpi/allocations.c" >"$work/some"
echo ferry_abort >>"$work/some" # it allocates nothing, and the close behind it is not OK: tests/sim/deaths.c
missing "has no case in tests/mpi/allocations.c"

# Called once in a process, before there is an engine or after the last: tests/mpi/opens.c.
{
	sed -n 's/^	X(\(MPI_[A-Za-z_]*\), .*/\1/p' "$TEST_SRCDIR/tests/mpi/failing.c"
	echo MPI_Init_thread
	echo MPI_Finalize
	echo MPI_Abort # ends the job
} >"$work/some"
library=$TEST_BUILDDIR/.libs/libferry-mpi.a
if [ -f "$library" ]; then
	$TEST_NM "$library" | sed -n 's/^ *U \(MPI_[A-Z][a-z][A-Za-z_]*\)$/\1/p' |
		grep -v '_FN$' >"$work/all"
	missing "is called by the library and does not fail in tests/mpi/failing.c"
else
	echo "$library is not there"
	bad=1
fi
rm -rf "$work"
exit $bad
