#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What configure says of an MPI that is not there, or not the one that was meant, and of a machine
# that Ferry does not run on: one sentence,
# before anything is built. The MPIs are made here: a wrapper that prints flags, and an mpi.h.
work=$TEST_BUILDDIR/tests/api/configure.tmp
trap 'rm -rf "$work"' EXIT
rm -rf "$work"
mkdir -p "$work/old" "$work/new" "$work/dir/bin"
failures=0
# The MPI of whoever runs the tests is none of those that are tried here.
unset MPICC MPIEXEC MPI_CFLAGS MPI_LIBS
if [ ! -x "$TEST_SRCDIR/configure" ]; then
	echo "SKIP: there is no configure"
	exit 77
fi
# What the build found out about the compiler is not asked again.
sed -n '/^ac_cv_\(c_\|header_\|exeext\|objext\|prog_cc\)/p' "$TEST_BUILDDIR/config.log" >"$work/known"

# says WHAT SENTENCE ARG...: configure with ARG ends with this error.
says() {
	what=$1
	sentence=$2
	shift 2
	cp "$work/known" "$work/cache"
	if (cd "$work" && "$TEST_SRCDIR/configure" -q --cache-file=cache CC="$TEST_CC" "$@") >"$work/out" 2>&1; then
		echo "FAILED: $what: configure accepts it"
	elif grep -q "^configure: error: $sentence" "$work/out"; then
		echo "ok: $what"
		return
	else
		echo "FAILED: $what"
		tail -n 5 "$work/out"
	fi
	failures=$((failures + 1))
}

wrapper() { # FILE INCLUDE LIBRARIES
	printf '#!/bin/sh\ncase $1 in -show) echo cc -I%s %s ;; *) exit 1 ;; esac\n' "$2" "$3" >"$1"
	chmod +x "$1"
}
mpi_h='int MPI_Init_thread(int *, char ***, int, int *);\n#define MPI_THREAD_MULTIPLE 3\n'
printf "$mpi_h#define MPI_VERSION 3\n#define MPI_SUBVERSION 0\n" >"$work/old/mpi.h"
printf "$mpi_h#define MPI_VERSION 4\n#define MPI_SUBVERSION 0\n" >"$work/new/mpi.h"
wrapper "$work/mpicc.old" "$work/old" ''
wrapper "$work/mpicc.new" "$work/new" '-lno-such-mpi'
wrapper "$work/dir/bin/mpicc" "$work/new" '-lno-such-mpi'

says "--with-mpi with a word that is none" "--with-mpi=foo is neither mpich, nor openmpi, nor a directory" --with-mpi=foo
says "--without-mpi" "Ferry is made of MPI" --without-mpi
says "a directory without MPI" "--with-mpi=$work/old: there is no $work/old/bin/mpicc" --with-mpi="$work/old"
says "two answers" "MPICC=mpicc.old and --with-mpi=$work/dir both name an MPI" --with-mpi="$work/dir" MPICC=mpicc.old
says "a wrapper that is not there" "$work/mpicc.none is missing: install libmpich-dev" MPICC="$work/mpicc.none"
says "MPI 3.0" "the mpi.h of $work/mpicc.old is that of an MPI before 3.1" MPICC="$work/mpicc.old"
says "a directory whose MPI does not link" "with the flags of $work/dir/bin/mpicc a program of .* does not link" \
	--with-mpi="$work/dir"
says "a cross build with the MPI of another machine" "the MPI for $(uname -m)-other-linux-gnu is missing" \
	--host="$(uname -m)-other-linux-gnu" MPICC="$work/mpicc.new"
case $TEST_MPI_ID in mpich) other=openmpi ;; *) other=mpich ;; esac
says "an MPI of another name" "--with-mpi=$other was given, and .* is of another MPI" --with-mpi=$other MPICC="$TEST_MPICC"
machine=riscv64
[ "$(uname -m)" != riscv64 ] || machine=aarch64
says "a cross build without a compiler for it" "the C compiler for $machine-linux-gnu is missing" --host=$machine-linux-gnu
if [ "$(uname -m)" = x86_64 ]; then
	says "Concurrency Kit of another machine" "the Concurrency Kit for .* is missing: the ck_md.h that is found" \
		CK_CFLAGS=-U__x86_64__ CK_LIBS=-lck MPICC="$TEST_MPICC"
fi
# Neither needs a compiler for another machine: the compiler is told to say so.
says "a big-endian machine" "Ferry runs on little-endian machines only" \
	CPPFLAGS="-U__BYTE_ORDER__ -D__BYTE_ORDER__=__ORDER_BIG_ENDIAN__"
says "a machine of 32 bits" "Ferry runs on 64-bit machines only" CPPFLAGS="-U__SIZEOF_POINTER__ -D__SIZEOF_POINTER__=4"
[ $failures -eq 0 ]
