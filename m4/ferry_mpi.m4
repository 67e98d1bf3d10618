# SPDX-License-Identifier: Apache-2.0
# FERRY_WITH_MPI: what the user says about MPI. What makes no sense ends before the compiler is
# asked.
AC_DEFUN([FERRY_WITH_MPI], [
AC_ARG_VAR([MPICC], [the MPI compiler wrapper that is asked for its flags])
AC_ARG_VAR([MPIEXEC], [the MPI launcher for tests and examples])
AC_ARG_VAR([MPIEXEC_FLAGS], [more arguments for the launcher])
AC_ARG_WITH([mpi],
	[AS_HELP_STRING([--with-mpi=mpich|openmpi|DIR],
		[which MPI: one of that name, or the one whose wrapper is DIR/bin/mpicc [MPICH, else any]])],
	[], [with_mpi=yes])
AS_CASE([$with_mpi],
	[yes|mpich|openmpi], [],
	[no], [AC_MSG_ERROR([Ferry is made of MPI, so --without-mpi leaves nothing: leave it out, or name one by --with-mpi])],
	[*/*|.|..], [
		AS_IF([test -n "$MPICC" && test "$MPICC" != "$with_mpi/bin/mpicc"],
			[AC_MSG_ERROR([MPICC=$MPICC and --with-mpi=$with_mpi both name an MPI: leave one of them out])])
		MPICC=$with_mpi/bin/mpicc
		AS_IF([test ! -x "$MPICC"],
			[AC_MSG_ERROR([--with-mpi=$with_mpi: there is no $MPICC: name the directory that MPI was installed into, or set MPICC to its wrapper])])],
	[AC_MSG_ERROR([--with-mpi=$with_mpi is neither mpich, nor openmpi, nor a directory (with a slash) that has bin/mpicc])])
])

# FERRY_CHECK_MPI: asks MPI's compiler wrapper for its flags and leaves CC alone.
# Sets MPICC, MPIEXEC, MPI_CPPFLAGS, MPI_LIBS, MPI_NAME, MPI_ID (MPI_NAME as part of
# a file name) and the conditionals MPI_IS_MPICH, MPI_IS_OPENMPI.
AC_DEFUN([FERRY_CHECK_MPI], [
_FERRY_MPI_WRAPPER
_FERRY_MPI_FLAGS
_FERRY_MPI_TRY
_FERRY_MPI_LAUNCHER
])

# Which packages bring the MPI that somebody wants.
AC_DEFUN([_FERRY_MPI_PACKAGES], [
AS_CASE([$1], [*openmpi*], [ferry_packages="libopenmpi-dev and openmpi-bin"], [ferry_packages="libmpich-dev and mpich"])])

# A cross build looks for the wrapper of the other machine first.
AC_DEFUN([_FERRY_MPI_WRAPPER], [
AS_CASE([$with_mpi],
	[mpich|openmpi], [AC_CHECK_TOOLS([MPICC], [mpicc.$with_mpi mpicc])],
	[AC_CHECK_TOOLS([MPICC], [mpicc.mpich mpicc])])
AS_IF([test -z "$MPICC"], [
	_FERRY_MPI_PACKAGES([$with_mpi])
	AC_MSG_ERROR([MPI is missing: install $ferry_packages, or name a wrapper, as in MPICC=mpicc.openmpi])])
])

# The wrapper's words, sorted into those for the preprocessor and those for the linker.
AC_DEFUN([_FERRY_MPI_FLAGS], [
AC_MSG_CHECKING([how $MPICC compiles])
AS_IF([ferry_compile=`$MPICC --showme:compile 2>/dev/null`], [ferry_link=`$MPICC --showme:link 2>/dev/null`],
	[ferry_compile=`$MPICC -show 2>/dev/null`], [ferry_link=$ferry_compile],
	[command -v "${MPICC%% *}" >/dev/null 2>&1],
	[AC_MSG_ERROR([$MPICC tells its flags neither by --showme:compile nor by -show: set MPICC to a compiler wrapper of MPICH or Open MPI])],
	[_FERRY_MPI_PACKAGES([$MPICC])
	AC_MSG_ERROR([$MPICC is missing: install $ferry_packages, or set MPICC to a compiler wrapper that is there])])
MPI_CPPFLAGS=
for ferry_flag in `AS_ECHO(["$ferry_compile"]) | tr -d '"'`; do
	AS_CASE([$ferry_flag], [-I*|-D*], [MPI_CPPFLAGS="$MPI_CPPFLAGS $ferry_flag"])
done
MPI_LIBS=
for ferry_flag in `AS_ECHO(["$ferry_link"]) | tr -d '"'`; do
	AS_CASE([$ferry_flag], [-L*|-l*|-Wl,*|-pthread|/*.a|/*.so], [MPI_LIBS="$MPI_LIBS $ferry_flag"])
done
AC_MSG_RESULT([$MPI_CPPFLAGS $MPI_LIBS])
AC_SUBST([MPI_CPPFLAGS])
AC_SUBST([MPI_LIBS])
])

# _FERRY_MPI_FAILED(WHAT): says why. A wrapper that speaks of another machine than
# the one that is built for is the usual reason in a cross build.
AC_DEFUN([_FERRY_MPI_FAILED], [
AC_MSG_RESULT([no])
AS_IF([test "$host" != "$build"],
	[AC_MSG_ERROR([the MPI for ${host_alias:-$host} is missing: with the flags of $MPICC, which are for $build or for another machine, a program of $CC does not $1. Install MPI for ${host_alias:-$host} and set MPICC to its wrapper, or to a script that prints its flags for -show])])
_FERRY_MPI_PACKAGES([$with_mpi$MPICC])
AC_MSG_ERROR([with the flags of $MPICC a program of $CC does not $1 (config.log says why): install $ferry_packages, or set MPICC to another wrapper])
])

AC_DEFUN([_FERRY_MPI_TRY], [
ferry_save_CPPFLAGS=$CPPFLAGS
ferry_save_LIBS=$LIBS
CPPFLAGS="$CPPFLAGS $MPI_CPPFLAGS"
LIBS="$MPI_LIBS $LIBS"
AC_MSG_CHECKING([whether MPI compiles])
AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <mpi.h>]], [])],
	[AC_MSG_RESULT([yes])], [_FERRY_MPI_FAILED([compile])])
AC_MSG_CHECKING([whether MPI is 3.1 or later])
AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <mpi.h>]], [[
#if MPI_VERSION * 100 + MPI_SUBVERSION < 301
#error "too old"
#endif]])],
	[AC_MSG_RESULT([yes])],
	[AC_MSG_RESULT([no])
	AC_MSG_ERROR([the mpi.h of $MPICC is that of an MPI before 3.1: set MPICC to the wrapper of a later one])])
AC_MSG_CHECKING([whether MPI links])
AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <mpi.h>]], [[
int level;
MPI_Init_thread((void *)0, (void *)0, MPI_THREAD_MULTIPLE, &level);]])],
	[AC_MSG_RESULT([yes])], [_FERRY_MPI_FAILED([link])])
AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <mpi.h>]], [[int v[OMPI_MAJOR_VERSION];]])],
	[MPI_NAME="Open MPI" MPI_ID=openmpi],
	[AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <mpi.h>]], [[const char *v = MPICH_VERSION;]])],
		[MPI_NAME=MPICH MPI_ID=mpich], [MPI_NAME=unknown MPI_ID=other])])
AS_CASE([$with_mpi:$MPI_ID],
	[mpich:openmpi|mpich:other|openmpi:mpich|openmpi:other],
	[_FERRY_MPI_PACKAGES([$with_mpi])
	AC_MSG_ERROR([--with-mpi=$with_mpi was given, and $MPICC is of another MPI ($MPI_NAME): install $ferry_packages, or set MPICC to the wrapper of $with_mpi])])
CPPFLAGS=$ferry_save_CPPFLAGS
LIBS=$ferry_save_LIBS
AC_SUBST([MPI_NAME])
AC_SUBST([MPI_ID])
AM_CONDITIONAL([MPI_IS_MPICH], [test "$MPI_ID" = mpich])
AM_CONDITIONAL([MPI_IS_OPENMPI], [test "$MPI_ID" = openmpi])
])

# The launcher that belongs to the wrapper: mpicc.mpich's is mpiexec.mpich,
# whatever `mpiexec` may be here. One of another MPI would start N jobs of one rank.
AC_DEFUN([_FERRY_MPI_LAUNCHER], [
ferry_mpiexec=`AS_ECHO(["$MPICC"]) | sed 's,mpicc\([[^/]]*\)$,mpiexec\1,'`
AS_CASE(["$MPI_NAME"],
	[MPICH], [AC_CHECK_PROGS([MPIEXEC], ["$ferry_mpiexec" mpiexec.mpich mpiexec.hydra mpiexec])],
	["Open MPI"], [AC_CHECK_PROGS([MPIEXEC], ["$ferry_mpiexec" mpiexec.openmpi mpiexec])],
	[AC_CHECK_PROGS([MPIEXEC], ["$ferry_mpiexec" mpiexec])])
AS_IF([test -z "$MPIEXEC"],
	[AC_MSG_WARN([no MPI launcher, so make check skips the MPI tests: install mpich, or set MPIEXEC])],
	[ferry_launcher=`$MPIEXEC --version 2>&1`
	AS_CASE([$MPI_NAME:$ferry_launcher],
		[MPICH:*OpenRTE*|MPICH:*"Open MPI"*|"Open MPI":*HYDRA*],
		[AC_MSG_ERROR([$MPICC is of $MPI_NAME and the launcher $MPIEXEC is not: set MPIEXEC to the one of $MPI_NAME])])])
])
