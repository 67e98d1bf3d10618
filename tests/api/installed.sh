#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What make install puts there serves a program that knows nothing but
# pkg-config: no flag of MPI, shared and static. Under make check it installs
# into a directory of its own; make installcheck names the one to look at.
set -e
work=$TEST_BUILDDIR/tests/api/installed.tmp
trap 'rm -rf "$work"' EXIT
rm -rf "$work"
mkdir -p "$work"
if [ -z "$TEST_PREFIX" ]; then
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL "$MAKE" -s -C "$TEST_BUILDDIR" install DESTDIR="$work/root" \
		>"$work/log" 2>&1 ||
		{ cat "$work/log"; exit 1; }
	pc=$(find "$work/root" -name ferry.pc)
	TEST_LIBDIR=$(dirname "$(dirname "$pc")")
	TEST_PREFIX=$(dirname "$TEST_LIBDIR")
fi
PKG_CONFIG_PATH=$TEST_LIBDIR/pkgconfig:$PKG_CONFIG_PATH
export PKG_CONFIG_PATH
ask() { ${PKG_CONFIG:-pkg-config} --define-variable=prefix="$TEST_PREFIX" "$@" ferry; }

cat >"$work/program.c" <<'C'
#include <ferry.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
	ferry *engine = NULL;

	if (strcmp(ferry_version(), FERRY_VERSION) != 0)
		return 1;
	if (ferry_open(NULL, &engine) != FERRY_OK) {
		puts(ferry_last_error());
		return 1;
	}
	return ferry_close(engine) != FERRY_OK;
}
C
if [ -f "$TEST_LIBDIR/libferry.so" ]; then
	$TEST_CC $TEST_CFLAGS -o "$work/program" "$work/program.c" $(ask --cflags --libs)
	LD_LIBRARY_PATH=$TEST_LIBDIR "$work/program"
fi
if [ -f "$TEST_LIBDIR/libferry.a" ]; then
	$TEST_CC $TEST_CFLAGS -o "$work/static" "$work/program.c" \
		$(ask --cflags) "$TEST_LIBDIR/libferry.a" $(ask --libs --static | sed 's/-lferry\b//')
	"$work/static"
fi
