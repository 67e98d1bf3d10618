# SPDX-License-Identifier: Apache-2.0
# FERRY_CHECK_MPI: asks MPI's compiler wrapper for its flags and leaves CC alone.
# Sets MPICC, MPIEXEC, MPI_CPPFLAGS, MPI_LIBS, MPI_NAME and the conditionals
# MPI_IS_MPICH, MPI_IS_OPENMPI.
AC_DEFUN([FERRY_CHECK_MPI], [
AC_ARG_VAR([MPICC], [the MPI compiler wrapper that is asked for its flags])
AC_ARG_VAR([MPIEXEC], [the MPI launcher for tests and examples])
AC_ARG_VAR([MPIEXEC_FLAGS], [more arguments for the launcher])
AC_CHECK_PROGS([MPICC], [mpicc.mpich mpicc])
AS_IF([test -z "$MPICC"],
	[AC_MSG_ERROR([MPI is missing: install libmpich-dev and mpich, or name another MPI's wrapper, as in MPICC=mpicc.openmpi])])
_FERRY_MPI_FLAGS
_FERRY_MPI_TRY
_FERRY_MPI_LAUNCHER
])

# The wrapper's words, sorted into those for the preprocessor and those for the linker.
AC_DEFUN([_FERRY_MPI_FLAGS], [
AC_MSG_CHECKING([how $MPICC compiles])
AS_IF([ferry_compile=`$MPICC --showme:compile 2>/dev/null`], [ferry_link=`$MPICC --showme:link 2>/dev/null`],
	[ferry_compile=`$MPICC -show 2>/dev/null`], [ferry_link=$ferry_compile],
	[AC_MSG_ERROR([$MPICC tells its flags neither by --showme:compile nor by -show: set MPICC to a compiler wrapper of MPICH or Open MPI])])
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

AC_DEFUN([_FERRY_MPI_TRY], [
ferry_save_CPPFLAGS=$CPPFLAGS
ferry_save_LIBS=$LIBS
CPPFLAGS="$CPPFLAGS $MPI_CPPFLAGS"
LIBS="$MPI_LIBS $LIBS"
AC_MSG_CHECKING([whether MPI links])
AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <mpi.h>]], [[
#if MPI_VERSION < 3
#error "too old"
#endif
int level;
MPI_Init_thread((void *)0, (void *)0, MPI_THREAD_MULTIPLE, &level);]])],
	[AC_MSG_RESULT([yes])],
	[AC_MSG_ERROR([a program with the flags of $MPICC does not compile and link: MPI 3.0 or later is needed, install libmpich-dev])])
AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <mpi.h>]], [[int v[OMPI_MAJOR_VERSION];]])],
	[MPI_NAME="Open MPI"],
	[AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <mpi.h>]], [[const char *v = MPICH_VERSION;]])],
		[MPI_NAME=MPICH], [MPI_NAME=unknown])])
# The large-count calls of MPI 4.
AC_CHECK_FUNCS([MPI_Isend_c])
CPPFLAGS=$ferry_save_CPPFLAGS
LIBS=$ferry_save_LIBS
AC_SUBST([MPI_NAME])
AM_CONDITIONAL([MPI_IS_MPICH], [test "$MPI_NAME" = MPICH])
AM_CONDITIONAL([MPI_IS_OPENMPI], [test "$MPI_NAME" = "Open MPI"])
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
