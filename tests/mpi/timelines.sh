#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Timelines of real jobs: every arrow has two ends, slices lie within one another, a job that was ended
# leaves its files, and clocks of ranks that differ by days are aligned.
. "$TEST_SRCDIR/tests/support/jobs.sh"
tool=$TEST_BUILDDIR/tools/ferry-trace
text=$TEST_SRCDIR/include/ferry.h

# traced RANKS EVERY COMMAND...: its timelines are in $work/trace, their figures in $work/figures.
traced() {
	ranks=$1 every=$2
	shift 2
	rm -rf "$work/trace"
	launch -n "$ranks" env FERRY_TRACE="$work/trace" FERRY_TRACE_EVERY="$every" "$@"
	look
}
look() { "$tool" --json "$work/trace" >"$work/figures" 2>"$work/complaints"; }
figure() { grep -o "\"$1\":-\{0,1\}[0-9]*" "$work/figures" | head -n 1 | cut -d: -f2; }
none() { for name; do [ "$(figure "$name")" = 0 ] || { cat "$work/figures" "$work/complaints"; return 1; }; done; }
at_least() { [ "$(figure "$1")" -ge "$2" ] || { cat "$work/figures" "$work/complaints"; return 1; }; }
sound() { none alone crossing backward refused_files torn malformed cut && at_least arrows "$1"; }

traced 2 16 "$TEST_BUILDDIR/examples/wordcount" --threads 2 --bytes 1000000 "$text"
check "a job with timelines works as ever" ended_with 0
check "its arrows have two ends each, and its slices nest" sound 1000
check "the summary says so" sh -c "'$tool' '$work/trace' | grep -q ' 0 ends without another one'"

traced 4 1 "$TEST_BUILDDIR/examples/controller" --size 120 --blocks 3 --threads 2
check "so it is with 4 ranks, all calls and large messages" sound 100
check "each call has its reply" at_least calls 20
check "a line an operation" \
	sh -c "'$tool' --lines '$work/trace' | grep -q ' call  op [0-9]*, 0 -> [123], .* answered after '"
check "trace events are JSON" sh -c "'$tool' -o - '$work/trace' >'$work/events' &&
	{ ! command -v python3 >/dev/null || python3 -c 'import json, sys; json.load(sys.stdin)' <'$work/events'; }"
check "in which each arrow begins and ends" \
	[ "$(grep -c '"ph":"s"' "$work/events")" = "$(grep -c '"ph":"f"' "$work/events")" ]
check "the page is whole" sh -c "'$tool' --html '$work/page' '$work/trace' && grep -q '</html>' '$work/page' &&
	! grep -q 'DATA' '$work/page'"

# A worker that dies takes the job along, under most launchers.
traced 3 1 "$TEST_BUILDDIR/examples/controller" --size 120 --blocks 3 --lose 2
check "who died leaves its timeline" grep -q '"rank":2,.*"closed":0' "$work/figures"
check "which is read" none refused_files malformed cut

launch -n 1 env FERRY_TRACE=/proc/none "$TEST_BUILDDIR/examples/hello"
check "a directory that cannot be made is said, and the job goes on" ended_with 0
check "in a sentence" grep -q 'no timeline: the directory /proc/none cannot be made' "$work/err"
"$tool" "$work/nothing" >"$work/out" 2>"$work/err"
status=$?
check "no directory is status 1" [ $status = 1 ]
"$tool" >"$work/out" 2>"$work/err"
status=$?
check "and no argument 2" [ $status = 2 ]

# Two ranks of one host whose monotonic clocks differ by 30 days.
if [ "$TEST_SANITIZER" != no ] || ! unshare --time --monotonic 2592000 true 2>/dev/null; then
	echo "no time namespaces are to be had here: clocks that differ are left to tests/unit/tools/test_timeline"
	finish
fi
rm -rf "$work/trace"
launch -n 1 env FERRY_TRACE="$work/trace" "$TEST_BUILDDIR/examples/wordcount" --bytes 300000 "$text" : \
	-n 1 unshare --time --monotonic 2592000 env FERRY_TRACE="$work/trace" \
	"$TEST_BUILDDIR/examples/wordcount" --bytes 300000 "$text"
look
check "ranks in two time namespaces work together" ended_with 0
check "their clocks are measured" grep -q '"rank":1,.*"clock":"measured"' "$work/figures"
ahead=$(grep '"rank":1,' "$work/figures" | grep -o '"ahead_ns":-\{0,1\}[0-9]*' | cut -d: -f2)
unsure=$(grep '"rank":1,' "$work/figures" | grep -o '"unsure_ns":[0-9]*' | cut -d: -f2)
echo "ahead by $ahead ns, unsure by $unsure ns"
check "to within what they say" \
	[ $((ahead - 2592000000000000)) -le "$unsure" -a $((2592000000000000 - ahead)) -le "$unsure" ]
check "and arrows are as before" sound 100
finish
