#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two figures of round trips: one call at a time beside 15 threads that flood, against the same
# alone; and 8 threads that call, against MPI_THREAD_MULTIPLE with 8 pairs of threads. Half a
# minute.
. "$(dirname "$0")/common.sh"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
reps=${LATENCY_REPS-7}

for size in 64 8; do
	one_host 2 "$perf" latency -t 1 --flood 15 -s $size -p none -r "$reps" --json="$work/flood" || failed=1
	judge "beside 15 threads that flood with $size bytes: 99 % of a call / the same alone" \
		"$(ratio "$work/flood" alone "99 %")" at_most 20 ""
done

# Of the calls that are counted 99 % may be fast while a few threads are stuck for most of the time:
# so by time, too.
one_host 2 "$perf" latency -t 8 -p multiple -r "$reps" --json="$work/eight" || failed=1
judge "8 threads: 99 % of the time / that of multiple" "$(ratio "$work/eight" multiple "99 % of time")" at_most 0.2 ""
judge "8 threads: 50 % of the time / that of multiple" "$(ratio "$work/eight" multiple "50 % of time")" at_most 0.2 ""
echo "8 threads: 99 % by count / that of multiple: $(ratio "$work/eight" multiple "99 %")"
exit $failed
