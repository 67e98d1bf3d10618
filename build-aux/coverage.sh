#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Which lines, functions and branches of src/ the tests run, by gcov of a build of its own: a table,
# a file a line, and the total. What several objects hold of a line (a header's) is added.
#   make coverage [COVERAGE_TESTS=check-np2]
# Left in coverage/: gcov/all, the annotated sources (##### stands before what never ran), and
# functions, how much of each ran, the least first.
source=$(cd "$1" && pwd) make=$2 tests=$3 mpicc=$4 mpiexec=$5
gcov=${GCOV-gcov}
command -v "$gcov" >/dev/null || { echo "coverage: $gcov is missing; it comes with gcc"; exit 1; }

mkdir -p coverage && cd coverage || exit 1
# Threads count without losing any. With the shared library, because tests that let the library alone
# run out of memory know it by its name.
[ -f Makefile ] || "$source/configure" -q CC=gcc MPICC="$mpicc" MPIEXEC="$mpiexec" \
	CFLAGS='-O0 -g --coverage -fprofile-update=atomic' >configure.log 2>&1 ||
	{ cat configure.log; exit 1; }
find . -name '*.gcda' -exec rm -f {} +
# The counts of one object file are in a list that all of a process share, where they are exported.
all_exported='ferry_ldflags=$(AM_LDFLAGS) $(NO_UNDEFINED) -Wl,-z,nodelete -version-info $(ferry_version)'
"$make" -s "$all_exported" >make.log 2>&1 || { tail -n 30 make.log; exit 1; }
# Everything is slow here, and what is ended by its time limit leaves no counts.
# The schedules leave themselves out: they put their counts back with all other static variables, and
# that takes long here.
# What a program leaves by _exit or abort counts, too: see the file.
gcc -shared -fPIC -o flush.so "$source/tests/support/flush.c" -lgcov -ldl || exit 1
LD_PRELOAD=$PWD/flush.so TEST_COVERAGE=1 TEST_SLOW=${TEST_SLOW-4} TEST_TIMEOUT=${TEST_TIMEOUT-900} \
	"$make" -s -k "$all_exported" "$tests" >tests.log 2>&1
tests_status=$?
grep -E '^# (PASS|FAIL|ERROR): ' tests.log

rm -rf gcov && mkdir gcov && cd gcov || exit 1
here=$(cd .. && pwd)
find "$here/src" -name '*.gcno' ! -name 'libferry_scheduled_a-*' | sort | while read -r notes; do
	"$gcov" -b -c -t -s "$source" "$notes" 2>/dev/null
done >all
awk -v top="$source/" '
	function count(kind, key, ran) {
		key = kind SUBSEP file SUBSEP key
		if (!(key in seen)) {
			seen[key] = 1
			of[kind, file]++; of[kind, "total"]++
		}
		if (ran && !(key in done)) {
			done[key] = 1
			run[kind, file]++; run[kind, "total"]++
		}
	}
	function row(name,    kind) {
		printf "%-32s", name
		for (kind = 1; kind <= 3; kind++)
			if (of[kind, name])
				printf "%7d %5.1f %%", of[kind, name], 100 * run[kind, name] / of[kind, name]
			else
				printf "%7d %7s", 0, ""
		print ""
	}
	/^ *-: *0:Source:/ {
		file = $0
		sub(/^ *-: *0:Source:/, "", file)
		sub(/^(\.\.\/)+/, "", file)
		if (index(file, top) == 1)
			file = substr(file, length(top) + 1)
		wanted = file ~ /^(src|include)\//
		if (wanted)
			files[file] = 1
		next
	}
	!wanted { next }
	/^function / {
		count(2, $2, ($4 > 0))
		blocks = $NF
		sub(/%/, "", blocks)
		if (!((file, $2) in part) || part[file, $2] < blocks + 0)
			part[file, $2] = blocks + 0
	}
	/^branch / { count(3, line " " $2, ($3 == "taken" && $4 > 0)) }
	/^ *[0-9#=*-]+\*?: *[1-9][0-9]*:/ {
		split($0, field, ":")
		line = field[2] + 0
		if (field[1] !~ /-/)
			count(1, line, (field[1] ~ /[0-9]/))
	}
	END {
		if (!of[1, "total"])
			exit 1
		for (name in part) {
			split(name, field, SUBSEP)
			printf "%3d %% of %s %s\n", part[name], field[1], field[2] >"functions"
		}
		for (file in files)
			row(file)
		row("total")
	}' all >table || { echo "coverage: gcov found nothing"; exit 1; }
sort -n functions >../functions
printf '%-32s%15s%15s%15s\n' file 'lines run' 'functions run' 'branches taken'
sort table | grep -v '^total '
grep '^total ' table
exit $tests_status
