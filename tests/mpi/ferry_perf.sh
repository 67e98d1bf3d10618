#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every mode of ferry-perf once, as briefly as it goes: it ends well, its JSON is
# JSON and holds numbers. What the numbers are is no matter here.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/tools/ferry-perf

refused() { failed && says "$1"; }
numbers_only() { ! grep -q -i -w -e nan -e inf -e null "$1"; }
is_json() {
	if command -v python3 >/dev/null; then
		python3 -m json.tool "$1" >/dev/null
	else
		grep -q '"points"' "$1" && [ "$(tail -n 1 "$1")" = "}" ]
	fi
}

# mode RANKS MODE ARG...: with all peers, in small.
mode() {
	ranks=$1
	name=$2
	shift 2
	job "$ranks" "$name" --peers all --threads 2 --json="$work/json" "$@"
	check "$name with $ranks ranks ends well" ended_with 0
	check "$name prints a table" says '^2 threads, '
	check "$name writes JSON" is_json "$work/json"
	check "$name writes numbers" numbers_only "$work/json"
	check "$name names the mode" grep -q "\"mode\": \"$name\"" "$work/json"
	rm -f "$work/json"
}

mode 2 rate --duration 0.02 --reps 2
mode 2 rate --duration 0.02 --reps 1 --futures --size 8
mode 2 rate --duration 0.02 --reps 1 --counted
check "posts that count are beside those that are forgotten" says '^  counted / plain *rate'
check "and so is one counter of all threads" says '^  counted-one / plain *rate'
mode 2 call --duration 0.02 --reps 2
mode 2 isend --duration 0.02 --reps 2
check "isend has a plain peer" says '^  ferry / plain *rate'
mode 2 latency --duration 0.02 --reps 2
check "all round trips are told together" says '^  plain  *all together  *mean [0-9.e+]*, 50 % '
mode 2 latency --duration 0.02 --reps 1 --flood 2
check "beside the flood it has itself alone" says '^  ferry / alone *50 %'
job 2 latency --duration 0.03 --reps 2 --every 10 --peers all --json
check "calls that come far apart" ended_with 0
check "are few" test "$(grep -c '"latency_ns": {"count": [2-9],' "$work/out")" -eq 3
for where in "" --anywhere; do
	mode 2 latency --duration 0.02 --reps 1 --both $where
	check "both ranks call, beside one" says '^  ferry / alone *50 %'
done
check "it names the handlers" says 'both ranks call, handlers of FERRY_ANYWHERE'
for lands in "" --land; do
	mode 2 latency --duration 0.02 --reps 1 --transfer 3M --futures $lands
	check "beside transfers, too" says '^  ferry / alone *50 %'
done
mode 2 bandwidth --duration 0.02 --reps 1 --size 300000
check "bandwidth has both ways to land" says '^  ferry / plain .*'
check "beside the same peers" says '^  ferry-land / multiple .*'
mode 2 bandwidth --duration 0.02 --reps 1 --size 300000 --land
check "--land leaves the library's memory out" does_not_say '^  ferry / plain'
check "and not the other" says '^  ferry-land / plain'
mode 2 overlap --reps 1 --size 1M
mode 2 overlap --reps 1 --size 1M --land
mode 2 idle --duration 0.2
mode 3 alltoall --duration 0.02 --reps 1
mode 2 memory
mode 2 halo --duration 0.02 --reps 1 --size 64K
check "the halo's steps have a ratio" says '^  ferry / multiple *steps'
check "and their processor time, too" says '^  ferry / funneled *processor'
check "and so has the other form" says '^  ferry-post / multiple *steps'
mode 2 farm --duration 0.05 --reps 2 --work 10
for form in ferry ferry-post ferry-isend; do
	for peer in multiple funneled; do
		check "farm puts $form in proportion to $peer" says "^  $form / $peer *rate"
	done
done
check "farm says how even it is" says '^  multiple *most / least'
check "and what was worked" says 'results of 8 bytes, work of 10 us'
mode 3 farm --duration 0.02 --reps 1 --size 100K --result 9
job 2 farm --forms ferry-isend --peers none --threads 40 --duration 0.02 --reps 1
check "a form alone, more threads than receives" ended_with 0
check "is alone" does_not_say '^  ferry '

# The processes of this script's jobs, launchers included; and those that are the tool's: --beside 2 makes
# two more of each rank.
export PERF_TEST_MARK=$$
marked() { grep -l -s -e "PERF_TEST_MARK=$$" /proc/[0-9]*/environ | sed 's,/proc/\([0-9]*\)/.*,\1,'; }
tools() {
	for one in $(marked); do
		case $(cat "/proc/$one/comm" 2>/dev/null) in *ferry-perf*) echo "$one" ;; esac
	done
}
within_a_minute() {
	for try in $(seq 600); do
		! "$@" || return 0
		sleep 0.1
	done
	return 1
}
are_there() { [ "$(tools | wc -l)" -eq "$1" ]; }
parent() { sed 's/.*) . \([0-9]*\) .*/\1/' "/proc/$1/stat" 2>/dev/null; }

mode 2 latency --duration 0.1 --reps 1 --beside 1
check "busy processes get something" says '^beside 1 busy processes a rank, not bound, .* had 0\.[0-9]*[1-9]'
mode 2 latency --duration 0.1 --reps 1 --beside 2 --bound
check "bound ones, too" says '^beside 2 busy processes a rank, bound, .* had 0\.[0-9]*[1-9]'
check "and end with the job" within_a_minute are_there 0
export FERRY_SLEEP_MAX=soon
job 2 latency --beside 2
unset FERRY_SLEEP_MAX
check "a job whose engine does not open" refused SLEEP_MAX
check "leaves none behind" within_a_minute are_there 0
job 2 latency --duration 20 --reps 1 --beside 2 --progress &
check "of a job that runs" within_a_minute are_there 6
check "and measures" within_a_minute says 'latency: 1 threads'
all=" $(tools | tr '\n' ' ') "
others=
for one in $(marked); do
	case $all in *" $(parent "$one") "*) ;; *) others="$others $one" ;; esac
done
kill -9 $others
check "when launcher and ranks are killed none is left behind" within_a_minute are_there 0
wait
unset PERF_TEST_MARK

job 2 rate --threads 1,2 --size 8,64 --duration 0.01 --reps 1 --keep-engine --plot "$work/rate.svg" --json
check "lists of threads and sizes, the engine kept" ended_with 0
check "four points as JSON on the output" is_json "$work/out"
check "and not one less" test "$(grep -c '"threads": ' "$work/out")" -eq 4
check "the plotting program's input is there" grep -q yerrorlines "$work/rate.svg.gp"
check "and the picture, or a message" \
	sh -c 'grep -q "<svg" "$1/rate.svg" || grep -q "gnuplot is not installed" "$1/err"' - "$work"

job 2 rate --level funneled --peers plain --duration 0.02 --reps 1
check "below multiple the peers run alone" ended_with 0
check "and it is said who does not" says '^ferry did not run: it needs'

job 2 rate --threads nobody
check "a number that is none" refused "takes at most .* numbers from 1 to .*, not 'nobody'"
job 2 rate --duration nan
check "a duration that is none" refused "takes seconds from .* to .*, not 'nan'"
job 2 rate --peers plain,nobody
check "a peer that is unknown" refused "has no peer 'nobody'; it has: plain, multiple"
job 2 rate --level lowest
check "a level that is unknown" refused "takes funneled, serialized or multiple, not 'lowest'"
job 2 rate --nothing
check "an option that is unknown" refused 'there is no option --nothing'
job 2 rate --size
check "an option without its value" refused 'needs a value'
job 2 rate --peers batch --size 8185
check "a message that no batch holds" refused 'takes messages of at most 8184 bytes, not 8185'
job 2 rate --peers batch --size 8184 --duration 0.02 --reps 1
check "and the largest that one holds" ended_with 0
job 2 farm --size 64,7
check "a task without room for its number" refused 'farm takes messages of at least 8 bytes, not 7'
job 2 farm --forms ferry,plain
check "a form that is none" refused "farm has no form 'plain'; it has: ferry, ferry-post, ferry-isend"
job 2 nothing
check "a mode that is unknown" refused "there is no mode 'nothing'"
job 2 rate call
check "two modes" refused "'call' is one too many"
job 2
check "no mode" refused 'say what to measure'
job 1 rate
check "too few ranks" refused 'rate runs on 2 ranks, not on 1'
timeout 60 "$program" --help >"$work/out" 2>"$work/err"
status=$?
check "--help without a launcher" says '^Usage: mpiexec'
check "names every mode" sh -c '[ $(grep -c "peers: " "$1/out") -eq 11 ]' - "$work"

finish
