#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# skips.sh LOG...: of tests that have run, name each skip and its reason, and
# count. A reason is what follows "# SKIP" in TAP or "SKIP: " at the start of a line.
count=0
for log in "$@"; do
	trs=${log%.log}.trs
	[ -f "$trs" ] || continue
	n=$(grep -c '^:test-result: SKIP' "$trs")
	[ "$n" -gt 0 ] || continue
	count=$((count + n))
	reasons=$(sed -n 's/^[^#]*# *[Ss][Kk][Ii][Pp][A-Za-z]* *//p' "$log" | sort -u)
	[ -n "$reasons" ] || reasons=$(sed -n 's/^SKIP: //p' "$log" | sort -u)
	printf '%s\n' "${reasons:-no reason given}" | while read -r reason; do
		echo "skipped: ${log%.log}: $reason"
	done
done
echo "$count skipped"
