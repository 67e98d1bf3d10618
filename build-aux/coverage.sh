#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Which lines of src/ the tests run, by gcov of a build of its own: a table, a file a line, and the
# total. What several objects hold of a line (a header's) is added.
#   make coverage [COVERAGE_TESTS=check-np2]
# The annotated sources are left in coverage/gcov: ##### stands before what never ran.
source=$(cd "$1" && pwd) make=$2 tests=$3 mpicc=$4 mpiexec=$5
gcov=${GCOV-gcov}
command -v "$gcov" >/dev/null || { echo "coverage: $gcov is missing; it comes with gcc"; exit 1; }

mkdir -p coverage && cd coverage || exit 1
# Threads count without losing any.
[ -f Makefile ] || "$source/configure" -q --disable-shared CC=gcc MPICC="$mpicc" MPIEXEC="$mpiexec" \
	CFLAGS='-O0 -g --coverage -fprofile-update=atomic' >configure.log 2>&1 ||
	{ cat configure.log; exit 1; }
find . -name '*.gcda' -exec rm -f {} +
"$make" -s >make.log 2>&1 || { tail -n 30 make.log; exit 1; }
"$make" -s -k "$tests" >tests.log 2>&1
tests_status=$?
grep -E '^# (PASS|FAIL|ERROR): ' tests.log

rm -rf gcov && mkdir gcov && cd gcov || exit 1
here=$(cd .. && pwd)
find "$here/src" -name '*.gcno' | sort | while read -r notes; do
	"$gcov" -t -s "$source" "$notes" 2>/dev/null
done >all
awk -v top="$source/" '
	/^ *-: *0:Source:/ {
		file = $0
		sub(/^ *-: *0:Source:/, "", file)
		sub(/^(\.\.\/)+/, "", file)
		if (index(file, top) == 1)
			file = substr(file, length(top) + 1)
		wanted = file ~ /^(src|include)\//
		next
	}
	!wanted || !/^ *[0-9#=*]+\*?: *[1-9][0-9]*:/ { next }
	{
		split($0, part, ":")
		line = file SUBSEP part[2] + 0
		if (!(line in seen)) { seen[line] = 1; lines[file]++; all++ }
		if (part[1] ~ /[0-9]/ && !(line in ran)) { ran[line] = 1; run[file]++; all_run++ }
	}
	END {
		for (file in lines)
			printf "%-40s %6d %6d  %5.1f %%\n", file, lines[file], run[file],
				100 * run[file] / lines[file] | "sort"
		close("sort")
		if (!all)
			exit 1
		printf "%-40s %6d %6d  %5.1f %%\n", "total", all, all_run, 100 * all_run / all
	}' all >table || { echo "coverage: gcov found nothing"; exit 1; }
printf '%-40s %6s %6s  %7s\n' file lines run 'of them'
cat table
exit $tests_status
