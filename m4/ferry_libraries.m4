# SPDX-License-Identifier: Apache-2.0
# The libraries but for MPI. What is missing is one sentence, with the name of the package.

# FERRY_CHECK_CK: CK_CFLAGS. Only headers are used, so nothing is linked. The
# -D__x86_64__ (or the like) of ck.pc tells the compiler what it knows, and is dropped.
AC_DEFUN([FERRY_CHECK_CK], [
PKG_CHECK_MODULES([CK], [ck >= 0.6], [],
	[AC_MSG_ERROR([Concurrency Kit is missing: install libck-dev])])
ferry_ck=
for ferry_flag in $CK_CFLAGS; do
	AS_CASE([$ferry_flag], [-D__*], [], [ferry_ck="$ferry_ck $ferry_flag"])
done
CK_CFLAGS=$ferry_ck
FERRY_CHECK_CK_MACHINE
])

# FERRY_CHECK_CK_MACHINE: ck_md.h says which order of memory Concurrency Kit was configured for.
# That of x86 on a machine with a weaker order leaves out fences without a word.
AC_DEFUN([FERRY_CHECK_CK_MACHINE], [
ferry_save_CPPFLAGS=$CPPFLAGS
CPPFLAGS="$CPPFLAGS $CK_CFLAGS"
AC_MSG_CHECKING([whether Concurrency Kit is that of this machine])
AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <ck_md.h>]], [[
#if defined CK_MD_TSO && !(defined __x86_64__ || defined __i386__ || defined __sparc__)
#error "an order of memory that this machine does not keep"
#endif]])],
	[AC_MSG_RESULT([yes])],
	[AC_MSG_RESULT([no])
	AC_MSG_ERROR([the Concurrency Kit for ${host_alias:-$host} is missing: the ck_md.h that is found (config.log) is of another machine, and would leave out fences. Install that of ${host_alias:-$host} and name it by CK_CFLAGS=-I...])])
CPPFLAGS=$ferry_save_CPPFLAGS
])

# FERRY_CHECK_MSGPACK: msgpack-c under either of its names.
AC_DEFUN([FERRY_CHECK_MSGPACK], [
MSGPACK_MODULE=msgpack-c
PKG_CHECK_MODULES([MSGPACK], [msgpack-c >= 3.1], [], [
	MSGPACK_MODULE=msgpack
	PKG_CHECK_MODULES([MSGPACK], [msgpack >= 3.1], [],
		[AC_MSG_ERROR([msgpack-c is missing: install libmsgpack-dev (from Debian 13 on: libmsgpack-c-dev)])])
])
MSGPACK_VERSION=`$PKG_CONFIG --modversion $MSGPACK_MODULE 2>/dev/null`
AS_IF([test "$host" != "$build"], [
	ferry_save_LIBS=$LIBS
	LIBS="$MSGPACK_LIBS $LIBS"
	AC_MSG_CHECKING([whether msgpack-c is that of this machine])
	AC_LINK_IFELSE([AC_LANG_PROGRAM([[const char *msgpack_version(void);]], [[return msgpack_version() == 0;]])],
		[AC_MSG_RESULT([yes])],
		[AC_MSG_RESULT([no])
		AC_MSG_ERROR([the msgpack-c for ${host_alias:-$host} is missing: a program of $CC does not link with $MSGPACK_LIBS. Install it for ${host_alias:-$host} and name it by PKG_CONFIG_PATH, or by MSGPACK_CFLAGS and MSGPACK_LIBS])])
	LIBS=$ferry_save_LIBS
])
AC_SUBST([MSGPACK_MODULE])
])

# FERRY_CHECK_HWLOC: HWLOC_CFLAGS, HWLOC_LIBS and have_hwloc. Only ferry-info uses it. One that does
# not link is that of another machine.
AC_DEFUN([FERRY_CHECK_HWLOC], [
AC_ARG_WITH([hwloc],
	[AS_HELP_STRING([--without-hwloc], [ferry-info asks the system's files for cores and NUMA nodes])],
	[], [with_hwloc=yes])
have_hwloc=no
AS_IF([test "$with_hwloc" != no],
	[PKG_CHECK_MODULES([HWLOC], [hwloc >= 2.0], [have_hwloc=yes], [have_hwloc=no])])
AS_IF([test "$have_hwloc" = yes], [
	ferry_save_LIBS=$LIBS
	LIBS="$HWLOC_LIBS $LIBS"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([[int hwloc_topology_init(void *);]], [[return hwloc_topology_init((void *)0);]])],
		[AC_DEFINE([HAVE_HWLOC], [1], [hwloc is there])],
		[have_hwloc=no HWLOC_CFLAGS= HWLOC_LIBS=])
	LIBS=$ferry_save_LIBS
])
])

# FERRY_CHECK_OPTIONAL: CMocka for the tests, libuv for the loop of examples/eventloop.
AC_DEFUN([FERRY_CHECK_OPTIONAL], [
PKG_CHECK_MODULES([CMOCKA], [cmocka >= 1.1.5], [have_cmocka=yes], [
	have_cmocka=no
	AC_MSG_WARN([CMocka is missing, so make check leaves out the unit and simulation tests: install libcmocka-dev])
])
PKG_CHECK_MODULES([LIBUV], [libuv >= 1.40], [have_libuv=yes], [have_libuv=no])
AM_CONDITIONAL([HAVE_CMOCKA], [test "$have_cmocka" = yes])
AM_CONDITIONAL([HAVE_LIBUV], [test "$have_libuv" = yes])
])
