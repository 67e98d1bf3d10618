#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The command that holds Ferry to plain MPI, with a list of its own: it runs the lines that are asked for, computes
# their ratios, and says which limit is reached. What the ratios are is no matter here.
. "$TEST_SRCDIR/tests/support/jobs.sh"
cd "$TEST_BUILDDIR" || exit 1
cat >"$work/list" <<'LIST'
run calls two  latency -t 1 -p plain
line easy at_least 0.000001 1e9 ferry:50_% plain:50_%
line hard at_most 0.000001 - ferry:99_%_of_time plain:mean
line told stated - - ferry:mean -
run pooled two  latency -t 1 -p plain
pool 2
line pool at_least 0.000001 - ferry:all.time_p99 plain:all.mean
run turns two  rate -t 2 -s 8 -p none
against rate -t 1 -s 8 -p none
line both at_least 0.000001 - ferry:rate against/ferry:rate
run wrong two  rate --nothing
line lost at_least 1 - ferry:rate plain:rate
run evenly ranks3  farm -t 2 --forms ferry -p multiple
line even at_least 0.000001 0.000001 multiple:most_/_least ferry:most_/_least
LIST

versus() {
	flock "${TMPDIR:-/tmp}/ferry-test.$(id -u).lock" sh "$TEST_SRCDIR/tools/versus.sh" \
		--list "$work/list" --pairs 3 --duration 0.02 --out "$work/pairs" "$@" >"$work/out" 2>"$work/err"
	status=$?
}
# The pairs of a line whose ratio is a number.
pairs() {
	test "$(awk -v l="$1" '$2 == l && $4 > 0 && $5 > 0 && $6 > 0' "$work/pairs" | wc -l)" -eq "$2"
}

versus --line easy,told,pooled,turns
check "lines that are reached" ended_with 0
check "one by its name" says '^two *easy .* [0-9.]* to [0-9.]* *at least 0.000001 (1e9) *reached$'
check "with a pair for each repetition" pairs easy 3
check "one without a limit" says '^two *told .* stated'
check "one of repetitions together" says '^two *pool .* reached$'
check "with a pair for each job" pairs pool 3
check "two commands in turns, by the name of the first" says '^two *both .* reached$'
check "with as many" pairs both 3
check "and no other" does_not_say 'hard\|lost\|even'
versus --setting ranks3
check "more ranks" says '^ranks3 *even .* reached, the aim, too$'
check "alone" does_not_say '^two'
versus --line hard,wrong
check "lines that are not reached" ended_with 1
check "are named" says '^two *hard .* NOT REACHED$'
check "and those that do not run" says '^two *lost .* 3 pairs failed$'
check "with the reason" says 'there is no option --nothing'
versus --lines easy
check "an option that is none" ended_with 2

# What the project runs: each line belongs to a command, and has all columns.
check "the list is whole" awk '
	$1 == "run" && NF >= 4 { run = 1; next }
	$1 == "against" && NF >= 2 && run { next }
	$1 == "pool" && NF == 2 && run { next }
	$1 == "line" && NF == 7 && run && !seen[$2]++ && $3 ~ /^(at_least|at_most|stated)$/ { next }
	/^(#|$)/ { next }
	{ print "tools/versus.list: " $0; bad = 1 }
	END { exit bad }' "$TEST_SRCDIR/tools/versus.list"
finish
