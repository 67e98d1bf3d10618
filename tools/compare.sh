#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Is one build slower than another? Runs the lines of tools/lines.list with both, in turns, and prints for each the
# median of the paired ratios with its 95 % interval.
#
#     tools/compare.sh [--pairs N] [--lines NAME,...] [--out FILE] [--set NAME=VALUE] [--set-before NAME=VALUE]
#                      [--duration S] BUILD [BEFORE]
#
# BUILD and BEFORE are build directories in which `make` was run; without BEFORE it is BUILD, too. --set adds to the
# environment of BUILD's runs, --set-before to that of the others; a VALUE of @ is a directory that is new for each
# run, and gone after it. --duration (0.2 s) is that of a run whose line names none. A ratio is BUILD / BEFORE, turned
# round where less is better: above 1 is better than before. "not worse" means that the interval reaches 0.97. Every
# pair goes into FILE (compare.txt). tools/figures.sh says what the interval is; of fewer than 6 pairs there is none of
# 95 %, and no verdict.
# Exit 1 when a line is worse, or could not be run.
set -u
here=$(cd "$(dirname "$0")" && pwd)
pairs=20 only= out=compare.txt set=() set_before=()
. "$here/figures.sh"
while [ $# -gt 0 ]; do
	case $1 in
	--pairs) pairs=$2 && shift 2 ;;
	--lines) only=,$2, && shift 2 ;;
	--out) out=$2 && shift 2 ;;
	--set) set+=("$2") && shift 2 ;;
	--set-before) set_before+=("$2") && shift 2 ;;
	--duration) duration=$2 && shift 2 ;;
	-*) sed -n '3,15s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
	*) break ;;
	esac
done
[ $# != 1 ] || set -- "$1" "$1"
[ $# = 2 ] && [ -x "$1/tools/ferry-perf" ] && [ -x "$2/tools/ferry-perf" ] && [ "$pairs" -ge 1 ] || {
	echo "compare.sh: needs build directories with tools/ferry-perf in them, and at least 1 pair" >&2
	exit 2
}
build=$(cd "$1" && pwd) before=$(cd "$2" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

launch() { # RANKS PROGRAM...
	local status
	mkdir "$work/run"
	env MPIEXEC_TIMEOUT=60 "${side[@]/%=@/=$work/run}" "${MPIEXEC:-mpiexec.mpich}" -n "$@"
	status=$?
	rm -rf "$work/run"
	return $status
}

of_build() {
	local side=("${set[@]}")
	figure "$build" "$ranks" "$metric" $command
}

of_before() {
	local side=("${set_before[@]}")
	figure "$before" "$ranks" "$metric" $command
}

bad=0
printf '# ratio of %s to %s, %s pairs each\n# line pair build before ratio\n' "${set[*]} $build" "${set_before[*]} $before" \
	"$pairs" >"$out"
printf '%-16s %8s   %-16s %s\n' line ratio '95 % interval' verdict
while read -r name better ranks metric command; do
	case $name in '' | '#'*) continue ;; esac
	[ -z "$only" ] || case $only in *,$name,*) ;; *) continue ;; esac
	for pair in $(seq "$pairs"); do
		# Each side goes first in every other pair.
		if [ $((pair % 2)) = 1 ]; then
			a=$(of_build) b=$(of_before)
		else
			b=$(of_before) a=$(of_build)
		fi
		echo "$name $pair ${a:-0} ${b:-0} $(ratio "$a" "$b" "$better")"
	done >>"$out"
	read -r median low high < <(awk -v n="$name" '$1 == n && $5 != "failed" { print $5 }' "$out" | interval)
	failed=$(awk -v n="$name" '$1 == n && $5 == "failed"' "$out" | wc -l)
	verdict=$(awk -v l="$low" -v m="$median" -v h="$high" -v f="$failed" -v n="$pairs" 'BEGIN {
		if (f) print f " pairs failed"
		else if (n < 6) print "too few pairs"
		else print (h >= 0.97 ? "not worse" : "WORSE") (h - m > 0.05 * m || m - l > 0.05 * m ? ", wide" : "") }')
	case $verdict in WORSE* | *failed) bad=1 ;; esac
	printf '%-16s %8s   %-16s %s\n' "$name" "$median" "$low to $high" "$verdict"
done <"$here/lines.list"
exit $bad
