#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# No source, header, test, example or page is forgotten in the lists of the makefile,
# so that a tarball has them, and every test runs.
cd "$TEST_SRCDIR" || exit 1
bad=0
for file in include/*.h src/*/*.[ch] tests/support/*.[chs]* tests/preload/*.h tests/sim/net/*.[ch] tests/schedules/*.[ch] tests/schedules/front/*/*.h tests/*/*.sh tests/api/*.c* \
	examples/*.[ch] examples/*.py tools/*.[ch] tools/*/*.[ch]; do
	[ -f "$file" ] || continue
	directory=${file%%/*}
	[ "$directory" = include ] && list=Makefile.am || list=$directory/local.mk
	name=${file#"$directory"/}
	[ ! -f "${file%/*}/local.mk" ] || { list=${file%/*}/local.mk; name=${file##*/}; }
	case $directory in examples | tests) name=${name%.c} ;; esac
	grep -q "[ 	/]$name\\b" "$list" || { echo "$file is not in $list"; bad=1; }
done
for file in tests/unit/*/*.c tests/sim/*.c tests/mpi/*.c tests/preload/*.c tests/stress/*.c; do
	[ -f "$file" ] || continue
	name=${file#tests/}
	grep -q "%D%/${name%.c}\\b" tests/local.mk || { echo "$file is not in tests/local.mk"; bad=1; }
done
for file in tests/unit/*/*.c; do
	name=${file#tests/unit/}
	of=src/${name%/*}/${file##*/test_}
	[ ! -d "${of%/*}" ] || [ -f "$of" ] || [ -f "${of%.c}.h" ] || { echo "$file is the test of no file"; bad=1; }
done
for file in *.md; do
	[ ! -f "$file" ] || grep -q "[ 	]$file\\b" Makefile.am || { echo "$file is not in Makefile.am"; bad=1; }
done
for file in doc/* doc/*/* tools/*.sh tools/*.list; do
	[ -f "$file" ] && [ "${file##*/}" != local.mk ] || continue
	grep -q "%D%/${file#*/}\\b" "${file%%/*}/local.mk" || { echo "$file is not in ${file%%/*}/local.mk"; bad=1; }
done
exit $bad
