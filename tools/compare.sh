#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Is one build slower than another? Runs the lines of tools/lines.list with both, in turns, and prints for each the
# median of the paired ratios with its 95 % interval.
#
#     tools/compare.sh [--pairs N] [--lines NAME,...] [--out FILE] BUILD BEFORE
#
# BUILD and BEFORE are build directories in which `make` was run. A ratio is BUILD / BEFORE, turned
# round where less is better: above 1 is better than before. "not worse" means that the interval reaches 0.97. Every
# pair goes into FILE (compare.txt). tools/figures.sh says what the interval is.
# Exit 1 when a line is worse, or could not be run.
set -u
here=$(cd "$(dirname "$0")" && pwd)
pairs=20 only= out=compare.txt
. "$here/figures.sh"
while [ $# -gt 0 ]; do
	case $1 in
	--pairs) pairs=$2 && shift 2 ;;
	--lines) only=,$2, && shift 2 ;;
	--out) out=$2 && shift 2 ;;
	-*) sed -n '3,12s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
	*) break ;;
	esac
done
[ $# = 2 ] && [ -x "$1/tools/ferry-perf" ] && [ -x "$2/tools/ferry-perf" ] && [ "$pairs" -ge 6 ] || {
	echo "compare.sh: needs two build directories with tools/ferry-perf in them, and at least 6 pairs" >&2
	exit 2
}
build=$(cd "$1" && pwd) before=$(cd "$2" && pwd)

bad=0
printf '# ratio of %s to %s, %s pairs each\n# line pair build before ratio\n' "$build" "$before" "$pairs" >"$out"
printf '%-16s %8s   %-16s %s\n' line ratio '95 % interval' verdict
while read -r name better ranks metric command; do
	case $name in '' | '#'*) continue ;; esac
	[ -z "$only" ] || case $only in *,$name,*) ;; *) continue ;; esac
	for pair in $(seq "$pairs"); do
		# Each side goes first in every other pair.
		if [ $((pair % 2)) = 1 ]; then
			a=$(figure "$build" "$ranks" "$metric" $command) b=$(figure "$before" "$ranks" "$metric" $command)
		else
			b=$(figure "$before" "$ranks" "$metric" $command) a=$(figure "$build" "$ranks" "$metric" $command)
		fi
		echo "$name $pair ${a:-0} ${b:-0} $(ratio "$a" "$b" "$better")"
	done >>"$out"
	read -r median low high < <(awk -v n="$name" '$1 == n && $5 != "failed" { print $5 }' "$out" | interval)
	failed=$(awk -v n="$name" '$1 == n && $5 == "failed"' "$out" | wc -l)
	verdict=$(awk -v l="$low" -v m="$median" -v h="$high" -v f="$failed" 'BEGIN {
		if (f) print f " pairs failed"
		else print (h >= 0.97 ? "not worse" : "WORSE") (h - m > 0.05 * m || m - l > 0.05 * m ? ", wide" : "") }')
	case $verdict in WORSE* | *failed) bad=1 ;; esac
	printf '%-16s %8s   %-16s %s\n' "$name" "$median" "$low to $high" "$verdict"
done <"$here/lines.list"
exit $bad
