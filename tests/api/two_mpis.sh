#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# This build and that of another MPI, installed into one prefix: a program of each runs with its own
# launcher, and what does not fit together says so. TEST_OTHER_BUILD names the build directory of
# the other MPI.
if [ -z "$TEST_OTHER_BUILD" ]; then
	echo "SKIP: no build for another MPI (TEST_OTHER_BUILD)"
	exit 77
fi
. "$TEST_SRCDIR/tests/support/jobs.sh"
configured() { sed -n "s/^$1 = //p" "$TEST_OTHER_BUILD/Makefile" | head -n 1; }
other=$(configured MPI_ID)
other_mpiexec=$(configured MPIEXEC)
own=$TEST_MPI_ID
if [ -z "$other" ] || [ "$other" = "$own" ] || [ -z "$other_mpiexec" ]; then
	echo "FAILED: TEST_OTHER_BUILD=$TEST_OTHER_BUILD is no build for another MPI than $own"
	exit 1
fi
prefix=$work/prefix
lib=$prefix/lib
PKG_CONFIG_PATH=$lib/pkgconfig
export PKG_CONFIG_PATH
ask() { ${PKG_CONFIG:-pkg-config} "$@"; }
install_into() { # DIR BUILD: what a configure with --prefix=DIR would install
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL "$MAKE" -s -C "$2" install prefix="$1" >"$work/out" 2>"$work/err"
	status=$?
	sed -i "s,^prefix=.*,prefix=$1," "$1"/lib/pkgconfig/ferry-*.pc
}
remove_from() {
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL "$MAKE" -s -C "$2" uninstall prefix="$1" >"$work/out" 2>"$work/err"
	status=$?
}
run() {
	timeout --kill-after=10 60 "$@" </dev/null >"$work/out" 2>"$work/err"
	status=$?
}
mentions() { [ "$(ask --variable=mpi "$1")" = "$2" ]; }
program() { # NAME MODULE COMPILER: from $work/ranks.c
	$3 -o "$work/$1" "$work/ranks.c" -DWITH_MPI_H $(ask --cflags --libs "$2") \
		-Wl,-rpath,"$(ask --variable=libdir "$2")" >"$work/out" 2>"$work/err"
	status=$?
}

install_into "$prefix" "$TEST_OTHER_BUILD"
check "the build for $other is installed" ended_with 0
install_into "$prefix" "$TEST_BUILDDIR"
check "and this one beside it" ended_with 0
check "pkg-config ferry is the one that was there first" mentions ferry "$(configured MPI_NAME)"
check "pkg-config ferry-$own is this one" mentions "ferry-$own" "$TEST_MPI"

# With and without the header that knows MPI.
cat >"$work/ranks.c" <<'C'
#include <ferry.h>
#include <stdio.h>
#ifdef WITH_MPI_H
#include <ferry_mpi.h>
#endif
int main(void)
{
	ferry *engine;
	if (ferry_open(NULL, &engine))
		return puts(ferry_last_error()), 1;
	printf("rank %d of %d\n", ferry_rank(engine), ferry_size(engine));
	return ferry_close(engine) ? 1 : 0;
}
C
own_mpicc=$(ask --variable=mpicc "ferry-$own")
other_mpicc=$(ask --variable=mpicc "ferry-$other")
program "own" "ferry-$own" "$own_mpicc"
check "a program for $own is built" ended_with 0
program "other" "ferry-$other" "$other_mpicc"
check "and one for $other" ended_with 0
program "default" ferry "$(ask --variable=mpicc ferry)"
check "and one for the default MPI" ended_with 0

launch -n 2 "$work/own"
check "the launcher of $own runs its program as 2 ranks" says '^rank 1 of 2$'
for name in other default; do
	run $other_mpiexec -n 2 "$work/$name"
	check "the launcher of $other runs the program $name as 2 ranks" says '^rank 1 of 2$'
done

# ---- what does not fit -----------------------------------------------------------

launch -n 2 "$work/other"
check "a program for $other under the launcher of $own fails" failed
check "and says which launcher to take" says "start the job with .*${other_mpiexec##*/}"
run $other_mpiexec -n 2 "$work/own"
check "and the other way round" says "start the job with .*${MPIEXEC##*/}"
program wrong "ferry-$own" "$other_mpicc"
check "the header of $other and the Ferry for $own do not link" failed
check "and the linker says why" says "ferry_mpi_h_of_${other}_needs_libferry_$other"
run $other_mpicc -o "$work/mixed" "$work/ranks.c" $(ask --cflags --libs "ferry-$own") -Wl,-rpath,"$lib" \
	-Wl,--no-as-needed -lm
run "$work/mixed"
check "a program of ferry.h alone that $other_mpicc links with the Ferry for $own says so" \
	says "this Ferry was built for .*, and the MPI of this process is "

# The library path leads to a place where only the other build is.
install_into "$work/alone" "$TEST_OTHER_BUILD"
run $own_mpicc -o "$work/pathless" "$work/ranks.c" $(ask --cflags --libs "ferry-$own")
run env LD_LIBRARY_PATH="$work/alone/lib" "$work/pathless"
check "a library path to the build for $other alone fails" [ "$status" -eq 127 ]
check "and the loader says what is missing" says "libferry-$own.so.0: cannot open shared object file"

# ---- and gone again ----------------------------------------------------------------

remove_from "$prefix" "$TEST_OTHER_BUILD"
run "$work/own"
check "with $other uninstalled the program for $own runs" says '^rank 0 of 1$'
program again "ferry-$own" "$own_mpicc"
check "and can be built: the headers are there" ended_with 0
install_into "$prefix" "$TEST_BUILDDIR"
check "installed again, $own is the default" mentions ferry "$TEST_MPI"
remove_from "$prefix" "$TEST_BUILDDIR"
check "uninstalled, too, nothing is left" [ -z "$(find "$prefix" -type f -o -type l)" ]
finish
