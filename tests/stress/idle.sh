#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What an idle rank costs, over 10 s, and how long a call from a sleeping engine to a sleeping peer
# takes: on one host, and between two. Three minutes. IDLE_RUNS and IDLE_SECONDS change how often
# and how long.
#
# Figures are medians of the runs. The longest call of a run is no figure of the library's alone on
# a machine that somebody else uses too: what waking a few threads took in turn with it, without any
# engine, is printed beside it.
. "$(dirname "$0")/common.sh"
. "$TEST_SRCDIR/tests/support/hosts.sh"
runs=${IDLE_RUNS-5}

# note NAME SERIES METRIC UNITS: append to the figures of that name, so many units of ferry-perf's
# in one of ours.
note() {
	metric "$work/json" "$2" "$3" | awk -v units="$4" '{ print $1 / units }' >>"$work/idle.$1"
}
last() {
	tail -n 1 "$work/idle.$1"
}

measure() { # where, limit of a call in ms, launcher
	where=$1 limit=$2 run=0
	shift 2
	rm -f "$work"/idle.*
	while [ $run -lt "$runs" ]; do
		run=$((run + 1))
		rm -f "$work/json"
		"$@" "$perf" idle -p relay -d "${IDLE_SECONDS-10}" --json="$work/json" >/dev/null || failed=1
		[ -f "$work/json" ] || continue
		note processor ferry processor 1
		note middle ferry "wake 50 %" 1000
		note most ferry "wake 90 %" 1000
		note longest ferry longest 1000
		note relay relay longest 1000
		echo "$where, run $run: processor $(last processor) %; calls 50 % $(last middle) ms," \
			"90 % $(last most), longest $(last longest); a relay through pipes, longest $(last relay)"
	done
	judge "$where: processor of a rank at rest" "$(middle "$work/idle.processor")" at_most 1 " %"
	judge "$where: a call from sleep to sleep and back, 50 %" "$(middle "$work/idle.middle")" at_most "$limit" " ms"
	judge "$where: the same, 90 %" "$(middle "$work/idle.most")" at_most "$limit" " ms"
	echo "$where: the longest of all $(largest "$work/idle.longest") ms;" \
		"of the relay $(largest "$work/idle.relay") ms"
}

if [ -z "$HOSTS_DIR" ]; then
	work=$(mktemp -d) || exit 1
	measure "one host" 1 one_host 2
	rm -rf "$work"
	IDLE_FAILED=$failed
	export IDLE_FAILED
	[ $failed -eq 0 ] || hosts_skip() { echo "left out: $1"; exit 1; }
	hosts_enter "$@"
fi
failed=$IDLE_FAILED work=$HOSTS_DIR
hosts_up 2 1gbit
measure "two hosts" 20 on_hosts 1
exit $failed
