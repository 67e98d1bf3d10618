#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What doc/troubleshooting.md quotes is what the library says: each part of a quoted message, between
# "..." and beside "ferry: ", stands in a string of src/. Links within the page lead somewhere.
page=$TEST_SRCDIR/doc/troubleshooting.md
work=$TEST_BUILDDIR/tests/api/troubleshooting.tmp
trap 'rm -rf "$work"' EXIT
rm -rf "$work" && mkdir -p "$work" || exit 1
# Strings that the compiler joins, joined; a %d or the like as "...".
cat "$TEST_SRCDIR"/src/*/*.c | tr '\n\t' '  ' | sed 's/"  *"//g; s/%[-.0-9l]*[a-z]/.../g; s/" BUILT_FOR/.../g
	s/BUILT_FOR  *"/.../g' >"$work/said"
# Messages are in headings, and in the first column of the table of what is waited for.
sed -n 's/^### `\(.*\)`$/\1/p; s/^| `\([a-zA-Z].*\)` | .*/\1/p' "$page" | sed 's/^ferry: //' >"$work/quoted"
bad=0
while read -r message; do
	printf '%s\n' "$message" | sed 's/\.\.\./\n/g' | sed 's/^[ :,]*//; s/[ :,]*$//' | grep '[a-z].. ' >"$work/parts"
	while read -r part; do
		grep -q -F -e "$part" "$work/said" || { echo "FAILED: the library does not say: $part"; bad=1; }
	done <"$work/parts"
done <"$work/quoted"
[ "$(wc -l <"$work/quoted")" -ge 25 ] || { echo "FAILED: there are few messages in $page"; bad=1; }
# An anchor is a heading in lower case, with - for blanks.
grep -o '](#[^)]*)' "$page" | tr -d '](#)' | sort -u | while read -r anchor; do
	sed -n 's/^##* //p' "$page" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9\n-' | grep -q -x -e "$anchor" ||
		echo "FAILED: no heading for #$anchor"
done | grep . && bad=1
exit $bad
