# SPDX-License-Identifier: Apache-2.0
# FERRY_COMPILE_FLAGS(VARIABLE, FLAGS): substitutes those FLAGS that $CC takes.
AC_DEFUN([FERRY_COMPILE_FLAGS], [
$1=
ferry_save_CFLAGS=$CFLAGS
for ferry_flag in $2; do
	AC_MSG_CHECKING([whether $CC takes $ferry_flag])
	CFLAGS="$ferry_save_CFLAGS -Werror $ferry_flag"
	AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
		[AC_MSG_RESULT([yes]); $1="$$1 $ferry_flag"],
		[AC_MSG_RESULT([no])])
done
CFLAGS=$ferry_save_CFLAGS
AC_SUBST([$1])
])

# FERRY_CHECK_CROSS: without a compiler for --host the build machine's is taken, and makes
# programs of the build machine.
AC_DEFUN([FERRY_CHECK_CROSS], [
AS_IF([test "$host_cpu" != "$build_cpu"], [
	AC_MSG_CHECKING([for which machine $CC compiles])
	ferry_machine=`$CC -dumpmachine 2>/dev/null`
	AC_MSG_RESULT([${ferry_machine:-unknown}])
	AS_CASE(["$CC $CFLAGS|$ferry_machine"],
		[*" -m"*"|"*|*" --target="*"|"*], [],
		[*"|$build_cpu-"*],
		[AC_MSG_ERROR([the C compiler for ${host_alias:-$host} is missing: $CC makes programs for $ferry_machine. Install gcc-$host_alias, or set CC])])
])
])

# FERRY_CHECK_MACHINE: batches and lanes hold the numbers of the machine as they are, and a pointer
# fits into 8 bytes of them.
AC_DEFUN([FERRY_CHECK_MACHINE], [
AC_MSG_CHECKING([whether this machine is little endian, with 64 bits])
AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [[
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "big endian"
#endif]])], [],
	[AC_MSG_RESULT([no])
	AC_MSG_ERROR([Ferry runs on little-endian machines only, and ${host_alias:-$host} is big endian: its wire format is little endian, and it swaps nothing])])
AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [[
#if __SIZEOF_POINTER__ != 8
#error "not 64 bits"
#endif]])],
	[AC_MSG_RESULT([yes])],
	[AC_MSG_RESULT([no])
	AC_MSG_ERROR([Ferry runs on 64-bit machines only, and $CC $CFLAGS makes programs of another width])])
])

# FERRY_DEFINE_TEXT(NAME, TEXT): a string of C in config.h.
AC_DEFUN([FERRY_DEFINE_TEXT], [
ferry_text=`AS_ECHO(["$2"]) | sed 's/[[\\"]]/\\\\&/g; s/^ *//; s/ *$//; s/  */ /g'`
AC_DEFINE_UNQUOTED([$1], ["$ferry_text"], [of this build])
])
