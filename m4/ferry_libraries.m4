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
])

# FERRY_CHECK_MSGPACK: msgpack-c under either of its names.
AC_DEFUN([FERRY_CHECK_MSGPACK], [
MSGPACK_MODULE=msgpack-c
PKG_CHECK_MODULES([MSGPACK], [msgpack-c >= 3.1], [], [
	MSGPACK_MODULE=msgpack
	PKG_CHECK_MODULES([MSGPACK], [msgpack >= 3.1], [],
		[AC_MSG_ERROR([msgpack-c is missing: install libmsgpack-dev (from Debian 13 on: libmsgpack-c-dev)])])
])
MSGPACK_VERSION=`$PKG_CONFIG --modversion $MSGPACK_MODULE`
AC_SUBST([MSGPACK_MODULE])
])

# FERRY_CHECK_OPTIONAL: CMocka for the tests, hwloc for placement, libuv for an example.
AC_DEFUN([FERRY_CHECK_OPTIONAL], [
PKG_CHECK_MODULES([CMOCKA], [cmocka >= 1.1.5], [have_cmocka=yes], [
	have_cmocka=no
	AC_MSG_WARN([CMocka is missing, so make check leaves out the unit and simulation tests: install libcmocka-dev])
])
PKG_CHECK_MODULES([HWLOC], [hwloc >= 2.0], [have_hwloc=yes], [have_hwloc=no])
PKG_CHECK_MODULES([LIBUV], [libuv >= 1.40], [have_libuv=yes], [have_libuv=no])
AS_IF([test "$have_hwloc" = yes], [AC_DEFINE([HAVE_HWLOC], [1], [Define to 1 if hwloc 2 is there.])])
AS_IF([test "$have_libuv" = yes], [AC_DEFINE([HAVE_LIBUV], [1], [Define to 1 if libuv is there.])])
AM_CONDITIONAL([HAVE_CMOCKA], [test "$have_cmocka" = yes])
AM_CONDITIONAL([HAVE_HWLOC], [test "$have_hwloc" = yes])
AM_CONDITIONAL([HAVE_LIBUV], [test "$have_libuv" = yes])
])
