#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What does each rule of the policy that is for speed do? Runs the lines of tools/ablate.list with
# each of these rules on and off in turns, and prints for each rule, line and setting the median of
# the paired ratios with its 95 % interval. Above 1 it is better with the rule.
#
#     ablate.sh [--pairs N] [--rule NAME,...] [--line NAME,...] [--setting NAME,...] [--out FILE]
#
# Begin it in a build directory after `make all tools/policy`, or by `make ablate`. Settings: two
# (the processors there are), one (one of them), ranks8, hosts (two, made of namespaces). A rule is
# off when FERRY_POLICY_<NAME> has the value that `tools/policy list` names. Two rules share the run
# with all rules between them, and each round goes the other way than the one before, so that each
# side of a pair is first as often. Every pair goes into FILE (ablate.txt). doc/policy.md says more.
set -u
here=$(cd "$(dirname "$0")" && pwd)
pairs=20 rules=all lines=all settings=two,one,ranks8,hosts out=ablate.txt inside=

usage() {
	sed -n '3,15s/^# \{0,1\}//p' "$here/ablate.sh" >&2
	exit 2
}
. "$here/figures.sh"
. "$here/settings.sh"
setting_enter "$@"
while [ $# -gt 0 ]; do
	[ $# -ge 2 ] || usage
	case $1 in
	--pairs) pairs=$2 ;;
	--rule) rules=$2 ;;
	--line) lines=$2 ;;
	--setting) settings=$2 ;;
	--out) out=$2 ;;
	--inside) inside=$2 ;;
	*) usage ;;
	esac
	shift 2
done
[ -x tools/ferry-perf ] && [ -x tools/policy ] && [ "$pairs" -ge 6 ] || {
	echo "ablate.sh: needs a build directory with tools/ferry-perf and tools/policy, and at least 6 pairs" >&2
	exit 2
}
duration=0.2

# Does the rule matter there? By its row, if it has one.
matters() { # RULE SETTING LINE
	awk -v r="$1" '$1 == "rule" && $2 == r { print $3, $4 }' "$here/ablate.list" | {
		read -r where which || return 0
		has "$where" "$2" && has "$which" "$3"
	}
}

# "RULE VALUE" of those that are wanted, for speed, and can be switched off.
rules_for() { # SETTING LINE
	tools/policy list | while read -r rule kind value rest; do
		[ "$kind" = speed ] && [ "$value" != - ] && has "$rules" "$rule" || continue
		matters "$rule" "$1" "$2" && echo "$rule $value"
	done
}

lines_for() { # SETTING: "NAME BETTER METRIC COMMAND"
	sed -n 's/^line *//p' "$here/ablate.list" | while read -r name better metric where command; do
		has "$lines" "$name" && has "$where" "$1" && echo "$name $better $metric $command"
	done
}

# A run with all rules; the next two that lack one are paired with it.
measure_all() { all=$(figure . "$ranks" "$metric" $command); }

measure_without() { # RULE VALUE
	(
		export "FERRY_POLICY_$(echo "$1" | tr a-z A-Z)=$2"
		figure . "$ranks" "$metric" $command
	)
}

# One round: all rules, one without, another without, all rules, ...
round() { # PAIR, "RULE VALUE" on standard input
	all= second=
	while read -r rule value; do
		if [ -z "$second" ]; then
			[ -n "$all" ] || measure_all
			without=$(measure_without "$rule" "$value") second=yes
		else
			without=$(measure_without "$rule" "$value") second=
			measure_all
		fi
		echo "$setting $name $rule $1 ${all:-0} ${without:-0} $(ratio "$all" "$without" "$better")"
	done
}

report() { # the pairs of one line and setting
	while read -r rule value; do
		set -- $(awk -v r="$rule" '$3 == r && $7 != "failed" { print $7 }' "$work/pairs" | interval)
		failed=$(awk -v r="$rule" '$3 == r && $7 == "failed"' "$work/pairs" | wc -l)
		said=$(awk -v l="$2" -v h="$3" -v f="$failed" 'BEGIN {
			if (f) print f " pairs failed"
			else print (l > 1 ? "helps" : h < 1 ? "harms" : "") }')
		printf '%-7s %-10s %-17s %8s   %-16s %s\n' "$setting" "$name" "$rule" "$1" "$2 to $3" "$said"
	done <"$work/rules"
}

measure_line() {
	rules_for "$setting" "$name" >"$work/rules"
	[ -s "$work/rules" ] || return
	: >"$work/pairs"
	pair=0
	while [ $pair -lt "$pairs" ]; do
		pair=$((pair + 1))
		if [ $((pair % 2)) = 1 ]; then cat "$work/rules"; else tac "$work/rules"; fi >"$work/order"
		round $pair <"$work/order" >>"$work/pairs"
	done
	cat "$work/pairs" >>"$out"
	report
}

measure_setting() {
	ranks=$(setting_ranks)
	lines_for "$setting" >"$work/lines"
	while read -r name better metric command; do
		measure_line
	done <"$work/lines"
}

setting=$inside
setting_up
if [ -n "$inside" ]; then
	measure_setting
	exit 0
fi
printf '# with all rules / without one, %s pairs each\n# setting line rule pair with without ratio\n' "$pairs" >"$out"
printf '%-7s %-10s %-17s %8s   %s\n' setting line rule ratio '95 % interval'
for setting in two one ranks8; do
	has "$settings" $setting && measure_setting
done
! has "$settings" hosts || sh "$here/ablate.sh" --inside hosts --pairs "$pairs" --rule "$rules" --line "$lines" --out "$out" ||
	echo "hosts: left out"
