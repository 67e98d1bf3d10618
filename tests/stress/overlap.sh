#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What an exchange of 16 MiB takes, alone and while both ranks compute, between two hosts over a link
# of 1 Gbit/s, and within one. Half a minute.
#
# The limits are times, each beside plain MPI's in the same job. The overlap is stated and not
# judged: it is a share of the exchange's own time, so an exchange that takes longer can hide more.
# What both at once take beyond the longer of the two is mostly a processor's work for TCP, and does
# not get less when the exchange gets shorter.
. "$(dirname "$0")/common.sh"
. "$TEST_SRCDIR/tests/support/hosts.sh"
hosts_enter "$@"
hosts_up 2 "${OVERLAP_RATE-1gbit}"
bytes=${OVERLAP_BYTES-16777216}
json=$HOSTS_DIR/json

show() { # where
	for who in ferry plain; do
		echo "$1, $who: overlap $(metric "$json" $who overlap);" \
			"alone $(metric "$json" $who communication) ms," \
			"of them $(metric "$json" $who processor) ms of a processor;" \
			"computing $(metric "$json" $who computation) ms, both at once $(metric "$json" $who both) ms"
	done
}

beside_plain() { # metric
	awk -v f="$(metric "$json" ferry "$1")" -v p="$(metric "$json" plain "$1")" 'BEGIN { if (f && p) print f / p }'
}

rm -f "$json"
on_hosts 1 "$perf" overlap -s "$bytes" -p plain -r "${OVERLAP_REPS-9}" --json="$json" || failed=1
rate=$(awk -v ms="$(metric "$json" plain communication)" -v bytes="$bytes" 'BEGIN { if (ms) print bytes * 8e-6 / ms }')
show "two hosts, $HOSTS_RATE"
# A link that lets more through than it was told would make the next line easy.
[ -n "$OVERLAP_RATE" ] || judge "the link carries" "$rate" at_most 1.05 " Gbit/s"
judge "two hosts: the exchange alone / plain MPI's" "$(beside_plain communication)" at_most 1.1 ""
judge "two hosts: computing and exchanging at once / the same with plain MPI" "$(beside_plain both)" at_most 0.8 ""

rm -f "$json"
one_host 2 "$perf" overlap -s "$bytes" -p plain -r "${OVERLAP_REPS-9}" --json="$json" >/dev/null || failed=1
show "one host"
exit $failed
