#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A program that is compiled with the mpi.h of another MPI does not link, and the symbol says why.
# One whose process calls another MPI than the library was built for gets a sentence from
# ferry_open.
work=$TEST_BUILDDIR/tests/api/other_mpi.tmp
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/include"
bad() { echo "FAILED: $1"; cat "$work/errors"; exit 1; }
link() { # NAME FLAGS...: the program of $work/NAME.c
	name=$1
	shift
	$TEST_CC $TEST_CFLAGS -I"$TEST_SRCDIR/include" "$@" -c -o "$work/$name.o" "$work/$name.c" >"$work/errors" 2>&1 ||
		bad "$name does not compile"
	"$TEST_BUILDDIR/libtool" --silent --tag=CC --mode=link $TEST_CC $TEST_CFLAGS -no-install -o "$work/$name" \
		"$work/$name.o" "$TEST_LIBFERRY" >>"$work/errors" 2>&1
}

# Another MPI, as far as ferry_mpi.h can tell.
case $TEST_MPI_ID in
mpich) other=openmpi version=OMPI_MAJOR_VERSION says='Open MPI v4.1.4, package: Debian' called='Open MPI v4.1.4' ;;
*) other=mpich version=MPICH_VERSION says='MPICH Version:\t4.0.2\nMPICH Release date:' called='MPICH Version: 4.0.2' ;;
esac
cat >"$work/include/mpi.h" <<C
#define $version 4
typedef void *MPI_Comm, *MPI_Request, *MPI_Datatype, *MPI_Op, *MPI_Message;
typedef struct { int MPI_SOURCE; } MPI_Status;
C
cat >"$work/header.c" <<'C'
#include <ferry_mpi.h>
int main(void) { return 0; }
C
link header $TEST_MPI_CPPFLAGS || bad "with the right mpi.h it does not link"
"$work/header" >"$work/errors" 2>&1 || bad "with the right mpi.h it does not run"
if link header -I"$work/include"; then
	bad "with the mpi.h of $other it links with the Ferry of $TEST_MPI_ID"
fi
grep -q "ferry_mpi_h_of_${other}_needs_libferry_$other" "$work/errors" || bad "the linker does not name $other"

# The process calls what it finds first. A static Ferry would find it, too.
cat >"$work/library.c" <<C
#include <ferry.h>
#include <stdio.h>
int MPI_Get_library_version(char *version, int *length)
{
	return *length = sprintf(version, "$says"), 0;
}
int main(void)
{
	ferry *engine;
	int status = ferry_open(NULL, &engine);
	puts(ferry_last_error());
	return status == FERRY_ENOTSUP ? 0 : 1;
}
C
link library -rdynamic || bad "the program with a version of its own does not link"
timeout 60 "$work/library" >"$work/errors" 2>&1 || bad "a process that calls another MPI opens an engine"
grep -q "this Ferry was built for .*, and the MPI of this process is $called: " "$work/errors" ||
	bad "it does not say which MPI it calls"
