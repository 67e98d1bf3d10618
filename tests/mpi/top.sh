#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ferry-top beside a job of 8 ranks: it shows them, names the one that is stopped, and after the death of
# one says until when it lived and what was open, and takes the files away.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/tests/mpi/top
top=$TEST_BUILDDIR/tools/ferry-top
dir=$work/monitor
FERRY_MONITOR=$dir
export FERRY_MONITOR

# look ARG...: as launch does, with the output of ferry-top
look() {
	timeout 30 "$top" -d "$dir" "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
}

# Until COMMAND, or 15 s.
until_so() {
	i=0
	until "$@"; do
		i=$((i + 1))
		[ $i -lt 150 ] || return 1
		sleep 0.1
	done
}
all_open() { [ "$(ls "$work"/rank.* 2>/dev/null | wc -l)" -eq 8 ]; }
shows() { # PATTERN ARG...
	pattern=$1
	shift
	look "$@"
	says "$pattern"
}
rows() { [ "$(grep -c "$1" "$work/out")" -eq "$2" ]; }

mkdir -m 700 "$dir"
job 8 "$work" &
launched=$!
check "8 ranks run" until_so all_open
victim=$(cat "$work/rank.3")
look
check "each has a row" rows '^ *[0-7]/8 ' 8
check "all are busy" rows ' busy ' 8

kill -STOP "$victim"
check "the stopped one is named" until_so shows "^rank 3, pid $victim: its process is stopped by a signal" -i 0.1
check "it stands first" test "$(awk '/ RANK / { getline; print $1 }' "$work/out")" = 3/8
check "its neighbour waits for it" until_so shows '^rank 3 is silent for .* s; 1 operation waits for it' -i 0.1 2
check "and says for what" says 'the oldest a call of op 7'
kill -CONT "$victim"
check "it goes on" until_so shows ' 3/8 .* busy ' -i 0.3

kill -KILL "$victim"
wait "$launched"
check "its file says until when it lived" until_so shows "^rank 3 of 8 (pid $victim, top): lived until " --dead
look --dead 3
check "and what it was" says 'rank 3 of 8'
look --clean
check "it is taken away" says "removed .*: rank 3 of 8"
check "with all that died" test -z "$(ls "$dir")"
finish
