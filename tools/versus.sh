#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Does Ferry keep up with plain MPI? Runs the commands of tools/versus.list, each of which is one
# job in which Ferry and plain MPI take turns. Prints for each line the median of the paired ratios
# with its 95 % interval, and the limit that is set for it.
#
#     versus.sh [--pairs N] [--line NAME,...] [--setting NAME,...] [--duration S] [--quick] [--out FILE] [--list FILE]
#
# Begin it in a build directory after `make`, or by `make versus`. --line takes names of commands and
# of lines. --duration (0.3) is that of a trial whose command names none. --quick is for development:
# 5 pairs of 0.1 s, whose interval is from the smallest to the largest. Every pair goes into FILE
# (versus.txt). "reached" and "NOT REACHED" are of the median; "wide" says that the limit lies within
# the interval, so more pairs may say otherwise. Exit 1 when a line is not reached or could not be run.
set -u
here=$(cd "$(dirname "$0")" && pwd)
pairs=20 lines=all settings=two,one,ranks3,hosts,hosts-fast,preload seconds=0.3 out=versus.txt list=$here/versus.list inside=

usage() {
	sed -n '3,14s/^# \{0,1\}//p' "$here/versus.sh" >&2
	exit 2
}
. "$here/figures.sh"
. "$here/settings.sh"
setting_enter "$@"
while [ $# -gt 0 ]; do
	[ "$1" = --quick ] && pairs=5 seconds=0.1 && shift && continue
	[ $# -ge 2 ] || usage
	case $1 in
	--pairs) pairs=$2 ;;
	--line) lines=$2 ;;
	--setting) settings=$2 ;;
	--duration) seconds=$2 ;;
	--out) out=$2 ;;
	--list) list=$2 ;;
	--inside) inside=$2 ;;
	*) usage ;;
	esac
	shift 2
done
[ -x tools/ferry-perf ] && [ -r "$list" ] && [ "$pairs" -ge 1 ] || {
	echo "versus.sh: needs a build directory with tools/ferry-perf, a list, and at least 1 pair" >&2
	exit 2
}
job_timeout=120

# ---- the list ----------------------------------------------------------------------

# "NAME ARGUMENTS..." of the commands of a setting.
commands_of() { # SETTING
	sed -n 's/^run *//p' "$list" | while read -r name where arguments; do
		[ "$where" != "$1" ] || echo "$name $arguments"
	done
}

# What a line of that kind says about a command: the other one that takes turns with it, or how many
# repetitions are pooled. Or nothing.
said_of() { # KIND NAME
	awk -v k="$1" -v n="$2" '$1 == "run" { on = $2 == n } on && $1 == k { sub("^" k " *", ""); print }' "$list"
}

# "LINE HOW LIMIT AIM ABOVE BELOW" of those lines of a command that are wanted.
lines_of() { # NAME
	awk -v n="$1" '$1 == "run" { on = $2 == n } on && $1 == "line" { sub(/^line */, ""); print }' "$list" |
		while read -r line rest; do
			if has "$lines" "$1" || has "$lines" "$line"; then echo "$line $rest"; fi
		done
}

# ---- one command -------------------------------------------------------------------

run() { # FILE REPETITIONS ARGUMENTS...
	file=$1 reps=$2
	shift 2
	rm -f "$file"
	case " $* " in *' -d '*) ;; *) set -- "$@" -d "$seconds" ;; esac
	launch "$ranks" tools/ferry-perf "$@" -r "$reps" --json="$file" </dev/null >/dev/null 2>"$work/error"
}

# The values of SERIES:METRIC of the last job, one a line; "-" is 1 for all, against/SERIES:METRIC is
# of the other command, SERIES:all.NAME is that of all round trips of the job together.
values() { # COLUMN REPETITIONS
	file=$work/own column=$1
	case $column in
	-) yes 1 | head -n "$2" && return ;;
	against/*) file=$work/against column=${column#against/} ;;
	esac
	[ -f "$file" ] || return
	case $column in
	*:all.*)
		awk -v series="\"name\": \"${column%%:*}\"" -v name="\"${column#*:all.}\": " '
			index($0, "\"name\": ") { on = index($0, series) }
			on && index($0, "\"latency_ns\": ") && i = index($0, name) { print substr($0, i + length(name)) + 0; exit }' "$file"
		return
		;;
	esac
	awk -v series="\"name\": \"${column%%:*}\"" -v metric="\"metric\": \"$(echo "${column#*:}" | tr _ ' ')\"" '
		index($0, "\"name\": ") { on = index($0, series) }
		on && index($0, metric) && sub(/.*"values": \[/, "") { sub(/\].*/, ""); gsub(/, /, "\n"); print; exit }' "$file"
}

# The pairs of the last job: "SETTING LINE PAIR ABOVE BELOW RATIO".
note_pairs() { # PAIRS BEFORE, REPETITIONS
	while read -r line how limit aim above below; do
		values "$above" "$2" >"$work/above"
		values "$below" "$2" >"$work/below"
		paste -d ' ' "$work/above" "$work/below" | awk -v what="$setting $line" -v before="$1" -v n="$2" '
			NF == 2 && $2 > 0 { print what, before + NR, $1, $2, $1 / $2; done[NR] = 1 }
			END { for (i = 1; i <= n; i++) if (!done[i]) print what, before + i, 0, 0, "failed" }'
	done <"$work/lines"
}

# Jobs of a few repetitions each, until there are enough. With another command jobs are short, and each of
# the two is first as often. Where repetitions are pooled, a job is one pair.
measure_pairs() { # the command
	each=5
	[ -z "$against" ] || each=2
	[ -z "$pool" ] || each=1
	pair=0
	while [ $pair -lt "$pairs" ]; do
		[ $each -le $((pairs - pair)) ] || each=$((pairs - pair))
		if [ -z "$against" ]; then
			run "$work/own" ${pool:-$each} "$@"
		elif [ $((pair / each % 2)) = 0 ]; then
			run "$work/own" $each "$@" && run "$work/against" $each $against
		else
			run "$work/against" $each $against && run "$work/own" $each "$@"
		fi
		note_pairs $pair $each
		pair=$((pair + each))
	done >"$work/pairs"
}

column() { awk -v l="$line" -v c="$1" '$2 == l && $6 != "failed" { print $c }' "$work/pairs"; }

# The median, with four digits and a prefix where it is large.
middle() {
	sort -g | awk '
		{ v[NR] = $1 }
		END {
			m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
			prefix = m >= 1e6 ? "M" : m >= 1e4 ? "k" : ""
			if (!NR) print "-"
			else printf "%.4g%s\n", m / (prefix == "M" ? 1e6 : prefix == "k" ? 1e3 : 1), prefix
		}'
}

verdict() { # HOW LIMIT AIM MEDIAN LOW HIGH
	awk -v how="$1" -v limit="$2" -v aim="$3" -v m="$4" -v l="$5" -v h="$6" \
		-v failed="$(awk -v l="$line" '$2 == l && $6 == "failed"' "$work/pairs" | wc -l)" '
		function good(x) { return how == "at_most" ? m <= x : m >= x }
		BEGIN {
			if (failed) print failed " pairs failed"
			else if (how != "stated")
				print "" (good(limit) ? "reached" : "NOT REACHED") (l < limit && limit < h ? ", wide" : "") \
					(aim != "-" && good(aim) ? ", the aim, too" : "")
		}'
}

report() {
	while read -r line how limit aim above below; do
		set -- $(column 6 | interval)
		said=$(verdict "$how" "$limit" "$aim" "$@")
		case $said in NOT* | *failed) bad=1 ;; esac
		[ "$how" != stated ] || limit=
		[ "$aim" = - ] || limit="$limit ($aim)"
		below_middle=-
		[ "$below" = - ] || below_middle=$(column 5 | middle)
		printf "$row" "$setting" "$line" "$(column 4 | middle)" "$below_middle" "$1" "$2 to $3" \
			"$(echo "$how" | tr _ ' ') $limit" "$said"
	done <"$work/lines"
}

measure_command() { # NAME ARGUMENTS...
	lines_of "$1" >"$work/lines"
	[ -s "$work/lines" ] || return
	against=$(said_of against "$1")
	pool=$(said_of pool "$1")
	shift
	measure_pairs "$@"
	cat "$work/pairs" >>"$out"
	report
	! grep -q failed "$work/pairs" || sed "s/^/    /" "$work/error" | tail -n 3
}

measure_setting() {
	setting_up
	ranks=$(setting_ranks)
	commands_of "$setting" >"$work/commands"
	while read -r command; do
		measure_command $command
	done <"$work/commands"
}

# Each setting is a process of its own, so that its directory and its hosts end with it.
bad=0 row='%-10s %-26s %9s %9s %8s   %-16s %-18s %s\n'
if [ -n "$inside" ]; then
	setting=$inside
	measure_setting
	exit $bad
fi
printf '# %s pairs each\n# setting line pair above below ratio\n' "$pairs" >"$out"
printf "$row" setting line above below ratio '95 % interval' limit ''
for setting in two one ranks3 hosts hosts-fast preload; do
	has "$settings" $setting || continue
	sh "$here/versus.sh" --inside $setting --pairs "$pairs" --line "$lines" --duration "$seconds" --out "$out" --list "$list"
	case $? in 0) ;; *) bad=1 ;; esac
done
exit $bad
