# SPDX-License-Identifier: Apache-2.0
# Sourced by tests of models. check_model NAME MISTAKES: tests/models/NAME.pml has no error in all of
# its states, and each mistake that it can be given (-DBUG=1 to MISTAKES) is found. Optimization pays
# only where all states are tried.
command -v spin >/dev/null || { echo "SKIP: spin is not installed"; exit 77; }

try_model() { # name bug optimization
	spin -a -DBUG="$2" "$TEST_SRCDIR/tests/models/$1.pml" >spin.log 2>&1 || { cat spin.log; exit 1; }
	${TEST_CC-cc} "$3" -w -DSAFETY -DCOLLAPSE -DMEMLIM=1000 -o pan pan.c || exit 1
	./pan -m100000 $PAN_OPTIONS >"$2.log" 2>&1
	grep -q 'max search depth too small\|Search not completed' "$2.log" && [ "$2" = 0 ] && return 1
	sed -n 's/.* errors: \([0-9]*\)$/\1/p' "$2.log"
}

check_model() { # name mistakes
	work=$TEST_BUILDDIR/tests/models/$1.tmp bad=0 bug=0
	trap 'rm -rf "$work"' EXIT
	rm -rf "$work" && mkdir -p "$work" && cd "$work" || exit 1
	[ "$(try_model "$1" 0 -O1)" = 0 ] || { cat 0.log; bad=1; }
	sed -n 's/^ *\([0-9]*\) states, stored$/\1 states/p' 0.log
	while [ $bug -lt "$2" ]; do
		bug=$((bug + 1))
		[ "$(try_model "$1" $bug -O0)" = 1 ] || { echo "mistake $bug is not found"; bad=1; }
	done
	exit $bad
}
