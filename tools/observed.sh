#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What does it cost to be seen? Compares runs with and without the monitor file, a timeline of one operation in 16, and
# one of all. Prints for each line of ferry-perf the median of the paired ratios with its 95 % interval: see
# tools/compare.sh, which does the work.
#
#     tools/observed.sh [--what monitor,timeline,all] [--out FILE] [OPTIONS of compare.sh] BUILD
#
# BUILD is a build directory in which `make` was run. Below 1 is slower when it is seen. Every pair goes into FILE
# (observed.txt). 20 pairs of everything take about 15 minutes. Exit 1 when a line is worse, or could not be run.
set -u
here=$(cd "$(dirname "$0")" && pwd)
what=monitor,timeline,all out=observed.txt bad=0
lines=posts-64B-16,futures-16,calls-16,isend-16,round-trip-1
options=(--lines $lines)
while [ $# -gt 1 ]; do
	case $1 in
	--what) what=$2 ;;
	--out) out=$2 ;;
	*) options+=("$1" "$2") ;;
	esac
	shift 2
done
[ $# = 1 ] && [ -x "$1/tools/ferry-perf" ] || {
	sed -n '3,10s/^# \{0,1\}//p' "$0" >&2
	exit 2
}
pairs=$(mktemp) || exit 1
trap 'rm -f "$pairs"' EXIT

# Nothing that is set around this script, so that only what is compared differs.
unset FERRY_MONITOR FERRY_TRACE FERRY_TRACE_EVERY FERRY_TRACE_MEMORY

compare() { # NAME OPTIONS of compare.sh
	case ,$what, in *,"$1",*) ;; *) return ;; esac
	echo "$1:"
	local name=$1
	shift
	"$here/compare.sh" "${options[@]}" --out "$pairs" "$@" || bad=1
	sed "s/^[^#]/$name &/" "$pairs" >>"$out"
}

: >"$out"
compare monitor --set FERRY_MONITOR=@ --set-before FERRY_MONITOR=none "$1"
compare timeline --set FERRY_MONITOR=none --set-before FERRY_MONITOR=none --set FERRY_TRACE=@ "$1"
compare all --set FERRY_MONITOR=none --set-before FERRY_MONITOR=none --set FERRY_TRACE=@ --set FERRY_TRACE_EVERY=1 "$1"
exit $bad
