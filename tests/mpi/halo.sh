#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The halo exchange in plain MPI and ported: both find the sum that one thread finds alone, say what
# is wrong with an argument, and differ in as few lines as is claimed. Other examples say what is
# wrong, too.
. "$TEST_SRCDIR/tests/support/jobs.sh"

# sum RANKS: what the program printed when it was well.
sum() { sed -n "s/^halo_$kind: $1 ranks x .* a step, sum \([0-9a-f]\{16\}\)$/\1/p" "$work/out"; }
refused() { failed && says "$1"; }

for kind in plain ported; do
	program=$TEST_BUILDDIR/examples/halo_$kind
	job 2 10 16 3
	check "$kind: 2 ranks of 3 threads find what one thread finds alone" ended_with 0
	sum 2 >"$work/$kind"
	job 1 20 1 2
	check "$kind: one rank, its own neighbour" ended_with 0
	check "prints the time of a step" test -n "$(sum 1)"
	job 3 4 5000 2
	check "$kind: 3 ranks, long rows" ended_with 0
	job 1 none
	check "$kind: steps that are no number" refused "steps: give a number from 1 to [0-9]*, not 'none'"
	job 1 10 0
	check "$kind: rows of no points" refused "points in a row: give a number from 1"
	job 1 10 10 9x
	check "$kind: threads that are no number" refused "threads: give a number from 1"
	job 1 10 10 2 more
	check "$kind: an argument too many" refused "'more' is one argument too many"
done
check "both print the same sum" cmp -s "$work/plain" "$work/ported"
check "and print one" test -s "$work/plain"
check "the exchanges differ" test "$(diff "$TEST_SRCDIR/examples/halo_plain.c" "$TEST_SRCDIR/examples/halo_ported.c" |
	grep -c '^>')" -le 25
check "in few lines" test "$(diff "$TEST_SRCDIR/examples/halo_plain.c" "$TEST_SRCDIR/examples/halo_ported.c" |
	grep -c '^<')" -le 9

# The other examples with numbers for arguments.
program=$TEST_BUILDDIR/examples/halo
for wrong in none 0 '12 3x' '12 3 4'; do
	job 1 $wrong
	check "halo $wrong: says what is wrong" refused '^halo: give at most two numbers'
done
program=$TEST_BUILDDIR/examples/eventloop
for wrong in -1 none '5 more'; do
	job 1 $wrong
	check "eventloop $wrong: says what is wrong" refused '^eventloop: give one count of numbers'
done
finish
