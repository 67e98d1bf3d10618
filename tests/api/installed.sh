#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What make install puts there serves a program that knows nothing but
# pkg-config: no flag of MPI, shared and static, by the names of this MPI and by the
# short ones. The examples are built by their own Makefile. Under make check it
# installs into a directory of its own; make installcheck names the one to look at.
set -e
work=$TEST_BUILDDIR/tests/api/installed.tmp
trap 'rm -rf "$work"' EXIT
rm -rf "$work"
mkdir -p "$work"
TEST_INSTALLED=$TEST_PREFIX
if [ -z "$TEST_PREFIX" ]; then
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL "$MAKE" -s -C "$TEST_BUILDDIR" install DESTDIR="$work/root" \
		>"$work/log" 2>&1 ||
		{ cat "$work/log"; exit 1; }
	pc=$(find "$work/root" -name "ferry-$TEST_MPI_ID.pc")
	TEST_LIBDIR=$(dirname "$(dirname "$pc")")
	TEST_PREFIX=$(dirname "$TEST_LIBDIR")
	TEST_BINDIR=$(dirname "$(find "$work/root" -name "ferry-perf-$TEST_MPI_ID")")
	TEST_DOCDIR=$(dirname "$(find "$work/root" -name LICENSE)")
	TEST_MANDIR=$(dirname "$(dirname "$(find "$work/root" -name ferry-perf.1)")")
fi
PKG_CONFIG_PATH=$TEST_LIBDIR/pkgconfig:$PKG_CONFIG_PATH
export PKG_CONFIG_PATH
bad() { echo "FAILED: $1"; exit 1; }
ask() { ${PKG_CONFIG:-pkg-config} --define-variable=prefix="$TEST_PREFIX" "$@"; }

# ---- what is there -------------------------------------------------------------

own=ferry-$TEST_MPI_ID
[ -e "$TEST_LIBDIR/lib$own.so.0" ] || [ -e "$TEST_LIBDIR/lib$own.a" ] || bad "no lib$own is installed"
ls "$TEST_LIBDIR"/*ferry*.la 2>/dev/null && bad "a .la file is installed"
[ -x "$TEST_BINDIR/ferry-perf-$TEST_MPI_ID" ] || bad "ferry-perf-$TEST_MPI_ID is not installed"
for file in LICENSE README.md NEWS.md doc/tuning.md examples/hello.c examples/Makefile; do
	[ -s "$TEST_DOCDIR/$file" ] || bad "$TEST_DOCDIR/$file is not installed"
done
# Each tool has its page, also by its long name.
for file in "$TEST_BINDIR"/ferry-*; do
	[ -s "$TEST_MANDIR/man1/${file##*/}.1" ] || bad "${file##*/} has no manual page in $TEST_MANDIR"
done
# The short names mean this build, unless that of another MPI was there before.
names=$own
default=$(readlink "$TEST_LIBDIR/pkgconfig/ferry.pc" || true)
[ -n "$TEST_INSTALLED" ] || [ "$default" = "$own.pc" ] || bad "pkg-config ferry means $default"
[ "$default" != "$own.pc" ] || names="ferry $own"

# ---- a program -----------------------------------------------------------------


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
for name in $names; do
	if [ -f "$TEST_LIBDIR/lib$name.so" ]; then
		$TEST_CC $TEST_CFLAGS -o "$work/program" "$work/program.c" $(ask --cflags --libs $name)
		LD_LIBRARY_PATH=$TEST_LIBDIR "$work/program" || bad "the program of pkg-config $name"
		readelf -d "$work/program" | grep -q "NEEDED.*lib$own.so" || bad "-l$name is not that of this MPI"
		$TEST_CC $TEST_CFLAGS -o "$work/short" "$work/program.c" $(ask --cflags $name) -L"$TEST_LIBDIR" -l$name \
			-Wl,-rpath,"$(ask --variable=libdir $name)"
		"$work/short" || bad "the program of -l$name, with the path inside"
	fi
	if [ -f "$TEST_LIBDIR/lib$name.a" ]; then
		$TEST_CC $TEST_CFLAGS -o "$work/static" "$work/program.c" \
			$(ask --cflags $name) "$TEST_LIBDIR/lib$name.a" $(ask --libs --static $name | sed 's/-lferry-[a-z]*//')
		"$work/static" || bad "the static program of $name"
	fi
done

# ---- loaded by name ----------------------------------------------------------------

cat >"$work/load.c" <<'C'
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	void *library = dlopen(argv[argc - 1], RTLD_NOW);

	if (!library || !dlsym(library, "ferry_open"))
		return puts(dlerror()), 1;
	return dlclose(library);
}
C
if [ -f "$TEST_LIBDIR/lib$own.so.0" ]; then
	$TEST_CC $TEST_CFLAGS -o "$work/load" "$work/load.c" -ldl
	for name in $names; do
		LD_LIBRARY_PATH=$TEST_LIBDIR "$work/load" lib$name.so.0 || bad "loading lib$name.so.0"
		"$work/load" "$TEST_LIBDIR/lib$name.so.0" || bad "loading lib$name.so.0 by its path"
	done
fi

# ---- the examples ------------------------------------------------------------------

# An instrumented library needs instrumented programs.
[ "$TEST_SANITIZER" = no ] && [ -f "$TEST_LIBDIR/lib$own.so" ] || exit 0
cp -R "$TEST_DOCDIR/examples" "$work/examples"
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL "$MAKE" -s -C "$work/examples" FERRY=$own CFLAGS=-O0 \
	PKG_CONFIG="${PKG_CONFIG:-pkg-config} --define-variable=prefix=$TEST_PREFIX" >"$work/log" 2>&1 ||
	{ cat "$work/log"; bad "the examples' Makefile"; }
for file in "$TEST_SRCDIR"/examples/*.c; do
	name=$(basename "$file" .c)
	grep -q '^int main' "$file" || continue
	[ -x "$work/examples/$name" ] || bad "the examples' Makefile makes no $name"
done
timeout 60 "$work/examples/hello" || bad "the example hello"
