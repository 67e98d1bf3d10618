# SPDX-License-Identifier: Apache-2.0
# FERRY_ENABLE_SANITIZER: --enable-sanitizer=address,undefined or =thread.
# Sets SAN_CFLAGS, SAN_CPPFLAGS, and NO_UNDEFINED, EXPORT_REGEX and
# PRELOAD_EXPORT_REGEX for the libraries.
AC_DEFUN([FERRY_ENABLE_SANITIZER], [
AC_BEFORE([$0], [AC_PROG_CC])
AC_ARG_ENABLE([sanitizer],
	[AS_HELP_STRING([--enable-sanitizer=LIST],
		[build with sanitizers: address,undefined or thread])],
	[], [enable_sanitizer=no])
SAN_CFLAGS=
SAN_CPPFLAGS=
NO_UNDEFINED='-no-undefined -Wl,-z,defs'
EXPORT_REGEX='^ferry_'
PRELOAD_EXPORT_REGEX='^(MPI_|ferry_preload_)'
AS_CASE([$enable_sanitizer],
	[no], [],
	[yes], [AC_MSG_ERROR([name the sanitizers, as in --enable-sanitizer=address,undefined or --enable-sanitizer=thread])],
	[
	# -O1 keeps the stacks of reports readable; a CFLAGS from outside wins.
	: ${CFLAGS="-g -O1"}
	SAN_CFLAGS="-fsanitize=$enable_sanitizer -fno-omit-frame-pointer"
	# The runtime lives in the program, so the library has undefined symbols of
	# it, and brings some of its own that must be seen.
	NO_UNDEFINED=
	EXPORT_REGEX='^(ferry_|__asan|__ubsan|__tsan)'
	PRELOAD_EXPORT_REGEX='^(MPI_|ferry_preload_|__asan|__ubsan|__tsan)'
	AS_CASE([$enable_sanitizer], [*undefined*],
		[SAN_CFLAGS="$SAN_CFLAGS -fno-sanitize-recover=undefined"])
	# No sanitizer can see into Concurrency Kit's inline assembly.
	SAN_CPPFLAGS=-DFERRY_ORDER_BUILTINS
	])
AC_SUBST([SANITIZER], [$enable_sanitizer])
AC_SUBST([SAN_CFLAGS])
AC_SUBST([SAN_CPPFLAGS])
AC_SUBST([NO_UNDEFINED])
AC_SUBST([EXPORT_REGEX])
AC_SUBST([PRELOAD_EXPORT_REGEX])
])
