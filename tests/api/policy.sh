#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The table of the policy's parameters: doc/policy.md has it as it is, each decision that it names
# has a page, and each rule that keeps a promise has a test that fails without it.
policy=$TEST_BUILDDIR/tools/policy
work=$TEST_BUILDDIR/tests/api/policy.tmp
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"
bad=0

"$policy" table >"$work/table" || exit 1
grep '^| `' "$TEST_SRCDIR/doc/policy.md" | diff "$work/table" - || {
	echo "doc/policy.md has another table than src/shared/policy_table.c: tools/policy table prints it"
	bad=1
}
for page in $(sed 's/.* | \([0-9]*\) | [^|]*|$/\1/' "$work/table" | sort -u); do
	ls "$TEST_SRCDIR/doc/decisions/$page"-*.md >/dev/null || bad=1
done

# "sim/corners: a_test" of a rule that can be switched off by its variable
"$policy" list >"$work/list" || exit 1
while read -r name kind off program test; do
	[ "$kind" = bound ] || continue
	program=$TEST_BUILDDIR/tests/${program%:}.t variable=FERRY_POLICY_$(echo "$name" | tr a-z A-Z)
	[ -x "$program" ] || { echo "SKIP: ${program##*/} is not built: install cmocka"; exit 77; }
	env "$variable=$off" "$program" >"$work/said" 2>&1
	grep -q "^not ok .* - $test\$" "$work/said" || {
		echo "$variable=$off switches off a rule that keeps a promise, and ${program##*/} does not fail in $test"
		bad=1
	}
done <"$work/list"
exit $bad
