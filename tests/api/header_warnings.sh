#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A program that uses the public headers, and every macro of theirs, compiles without a warning in
# each standard of C and C++, with each compiler that is there. MPI's and msgpack's headers are the
# system's: what they warn of is not looked at.
headers=$TEST_SRCDIR/include
program=$TEST_SRCDIR/tests/api/header_use.c
work=$TEST_BUILDDIR/tests/api/header_warnings.tmp
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"
bad=0 compiled=0
system=$(echo "$TEST_MPI_CPPFLAGS $TEST_MSGPACK_CFLAGS" | sed 's/-I */-isystem /g')
both="-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wcast-qual -Wcast-align -Wshadow -Wundef
	-Wmissing-field-initializers -Wmissing-declarations -Wredundant-decls -Wfloat-equal -Wlong-long"
c="$both -Wstrict-prototypes -Wold-style-definition -Wbad-function-cast -Wc++-compat"
cxx="$both -Wold-style-cast -Wzero-as-null-pointer-constant -Wnon-virtual-dtor"

# The macros that a program may use, but for the guard and what is the headers' own.
for macro in $(sed -n 's/^#define \(FERRY_[A-Z0-9_]*\).*/\1/p' "$headers"/*.h | sort -u); do
	case $macro in FERRY_H | FERRY_MPI_H | FERRY_MSGPACK_H | FERRY_API | FERRY_STATUS_ENUM | FERRY_CAST | FERRY_MPI_H_NAME) continue ;; esac
	grep -q "\\b$macro\\b" "$program" || { echo "header_use.c does not use $macro"; bad=1; }
done

# compile COMPILER LANGUAGE STANDARD WARNINGS
compile()
{
	echo 'int unused;' | $1 -std="$3" -x"$2" -fsyntax-only - 2>/dev/null || return 0
	compiled=$((compiled + 1))
	# shellcheck disable=SC2086
	$1 -std="$3" -x"$2" -fsyntax-only -I"$headers" $system $4 "$program" >"$work/said" 2>&1
	if [ $? -ne 0 ] || [ -s "$work/said" ]; then
		echo "$1 -std=$3:"
		head -20 "$work/said"
		bad=1
	fi
}

# all LANGUAGE WARNINGS STANDARDS COMPILER...: what is named twice is compiled once
all()
{
	language=$1 warnings=$2 standards=$3 seen=
	shift 3
	for compiler; do
		[ "$compiler" != false ] && command -v "${compiler##* }" >/dev/null || continue
		case " $seen " in *" ${compiler##* } "*) continue ;; esac
		seen="$seen ${compiler##* }"
		for standard in $standards; do
			compile "$compiler" "$language" "$standard" "$warnings"
		done
	done
}

all c "$c" 'c99 c11 c17 c2x' "$TEST_CC" gcc clang
all c++ "$cxx" 'c++98 c++11 c++14 c++17 c++20' "$TEST_CXX" g++ clang++
[ $compiled -gt 0 ] || { echo "nothing was compiled"; bad=1; }
echo "compiled $compiled times"
exit $bad
