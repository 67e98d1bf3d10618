#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What an open engine holds: fixed, for each posting thread, for each peer that is talked to; and
# MPI beside it, with 2, 8 and 32 ranks. A minute. There is no limit for it here; what peers cost
# that are not talked to, see tests/sim/peers.c.
. "$(dirname "$0")/common.sh"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
for ranks in ${MEMORY_RANKS-2 8 32}; do
	rm -f "$work/json"
	one_host "$ranks" "$perf" memory --json="$work/json" >/dev/null || failed=1
	for what in MPI fixed peer thread "busy thread"; do
		value=$(metric "$work/json" ferry "$what")
		[ -n "$value" ] || failed=1
		echo "$ranks ranks, $what: ${value:-no figure} KiB"
	done
done
exit $failed
