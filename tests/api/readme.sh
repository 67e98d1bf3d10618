#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The first C program of the README is examples/hello.c, and compiles as it
# stands for who has nothing but the public header and the library.
work=$TEST_BUILDDIR/tests/api/readme.tmp
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"
awk '/^```c$/ { inside = 1; next } /^```/ && inside { exit } inside' "$TEST_SRCDIR/README.md" >"$work/program.c"
[ -s "$work/program.c" ] || { echo "there is no C program in README.md"; exit 1; }
grep -v 'SPDX-License-Identifier' "$TEST_SRCDIR/examples/hello.c" >"$work/hello.c"
grep -v 'SPDX-License-Identifier' "$work/program.c" | diff - "$work/hello.c" || {
	echo "the README's program is not examples/hello.c"
	exit 1
}
libtool="$TEST_BUILDDIR/libtool --silent --tag=CC --mode=link"
{
	$TEST_CC $TEST_CFLAGS -std=c11 -Wall -Wextra -Werror -I"$TEST_SRCDIR/include" \
		-c -o "$work/program.o" "$work/program.c" &&
		$libtool $TEST_CC $TEST_CFLAGS -no-install -o "$work/program" "$work/program.o" \
			"$TEST_LIBFERRY"
} >"$work/errors" 2>&1 || {
	cat "$work/errors"
	exit 1
}
timeout 60 "$work/program"
