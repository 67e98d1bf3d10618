#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The model of the crew: no error in all of its states, and each mistake that it can be given is
# found. About 150,000 states.
model=$TEST_SRCDIR/tests/models/crew.pml
work=$TEST_BUILDDIR/tests/models/crew.tmp
command -v spin >/dev/null || { echo "SKIP: spin is not installed"; exit 77; }
trap 'rm -rf "$work"' EXIT
rm -rf "$work" && mkdir -p "$work" && cd "$work" || exit 1

check() { # bug
	spin -a -DBUG="$1" "$model" >spin.log 2>&1 || { cat spin.log; exit 1; }
	${TEST_CC-cc} -O1 -w -DSAFETY -DCOLLAPSE -DMEMLIM=1000 -o pan pan.c || exit 1
	./pan -m100000 -E >"$1.log" 2>&1
	grep -q 'max search depth too small\|Search not completed' "$1.log" && [ "$1" = 0 ] && return 1
	sed -n 's/.* errors: \([0-9]*\)$/\1/p' "$1.log"
}

bad=0
[ "$(check 0)" = 0 ] || { cat 0.log; bad=1; }
sed -n 's/^ *\([0-9]*\) states, stored$/\1 states/p' 0.log
for bug in 1 2 3 4; do
	[ "$(check $bug)" = 1 ] || { echo "mistake $bug is not found"; bad=1; }
done
exit $bad
