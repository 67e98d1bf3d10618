#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The public headers, each by itself and all together, in C++ and in strict C11.
set -e
headers=$TEST_SRCDIR/include
for header in "$headers"/*.h; do
	echo "#include \"$(basename "$header")\"" |
		$TEST_CC -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
			-I"$headers" $TEST_MPI_CPPFLAGS -xc - || exit 1
done
if [ "$TEST_CXX" = false ]; then
	echo "SKIP: no C++ compiler: install g++"
	exit 77
fi
$TEST_CXX -std=c++17 -Wall -Wextra -Werror -fsyntax-only -I"$headers" $TEST_MPI_CPPFLAGS \
	"$TEST_SRCDIR/tests/api/header_cxx.cc"
