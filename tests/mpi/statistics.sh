#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The option stats: a table or a file over all ranks at the close, and what a rank does that cannot
# rely on the others.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/tests/mpi/statistics

# figures COUNTER MINIMUM RANK MEDIAN MAXIMUM RANK: a line of the table, once.
figures() {
	[ "$(sed -n "s/^ferry:   $1  *//p" "$work/err" | tr -s ' ')" = "$2 $3 $4 $5 $6" ]
}
tables() { [ "$(grep -c '^ferry: statistics of' "$work/err")" -eq "$1" ]; }
# json FILE EXPRESSION: true of `d`, what is in the file.
json() { python3 -c "import json, sys; d = json.load(open(sys.argv[1])); sys.exit(not ($2))" "$1"; }

job 2 plain
check "without the option nothing is said" does_not_say '^ferry:'

export FERRY_STATS=1
job 1 plain
check "1 rank: ends well" ended_with 0
check "1 rank: its figures" figures posts 10 0 10 10 0
job 2 plain
check "2 ranks: end well" ended_with 0
check "2 ranks: one table" tables 1
check "2 ranks: who posted least and most" figures posts 10 0 10 20 1
check "2 ranks: what came" figures delivered 10 1 10 20 0
check "2 ranks: nothing was left" says '^ferry:   nothing was left untaken, retained or open$'
job 4 plain
check "4 ranks: end well" ended_with 0
check "4 ranks: one table" tables 1
check "4 ranks: minimum, median, maximum and who" figures posts 10 0 20 40 3
job 2 nothread
check "without threads: one table" tables 1
check "without threads: its figures" figures posts 10 0 10 20 1
job 2 two
check "two engines: two tables" tables 2

job 2 left
check "what is left: ends well" ended_with 0
check "what is left: untaken" says '^ferry:   rank 1: 3 messages of op 0x1234 from rank 0 that nobody handled or read$'
check "what is left: retained" says '^ferry:   rank 1: 1 message of op 0x22 retained and not released$'
check "what is left: unanswered" says '^ferry:   rank 1: 1 request of op 0x22 without an answer$'
check "what is left: a call" says '^ferry:   rank 0: 1 call to rank 1 without a reply$'
check "what is left: a promise" says '^ferry:   rank 0: 1 promise that nobody fulfilled$'

unset FERRY_STATS
FERRY_TEST_STATS_WAITS=300 job 2 mixed
check "not on rank 0: ends well" ended_with 0
check "not on rank 0: rank 1 has its own line" says '^ferry: rank 1: statistics of this rank alone, as .*: posts 20, '
check "not on rank 0: no table" tables 0

file=$work/all.json
export FERRY_STATS="$file"
if python3 -c 'import json' 2>/dev/null; then
	job 4 plain
	check "a file: ends well" ended_with 0
	check "a file: nothing on stderr" does_not_say '^ferry:'
	check "a file: each rank's value" json "$file" \
		"d['ranks'] == 4 and d['missing'] == [] and d['counters']['posts'] == dict(min=10, min_rank=0, median=20, max=40, max_rank=3, of=[10, 20, 30, 40])"
	job 2 left
	check "a file: what was left" json "$file" \
		"[(x['rank'], x['what'], x['op'], x['peer'], x['count']) for x in d['left']] == [(0, 'calls', None, 1, 1), (0, 'promises', None, None, 1), (1, 'untaken', 0x1234, 0, 3), (1, 'retained', 0x22, None, 1), (1, 'unanswered', 0x22, None, 1)]"
	job 2 two
	check "two engines: a file each" json "$work/all.2.json" "d['ranks'] == 2"
fi
FERRY_STATS=/nonexistent/all.json job 2 plain
check "a file that cannot be: ends well" ended_with 0
check "a file that cannot be: a line" says '^ferry: rank 0: the statistics could not be written to /nonexistent/all.json: No such file'
FERRY_STATS=perhaps job 1 plain
check "another word is refused" failed
check "another word is refused with what is accepted" says 'FERRY_STATS=perhaps is not accepted; give 1'

if [ "$TEST_MPI_ID" = mpich ] && [ "$TEST_SANITIZER" = no ]; then
	lose() {
		FERRY_STATS=1 launch -disable-auto-cleanup -launcher fork -hosts a:1,b:1,c:1 -n 3 "$program" gone "$1"
	}
	lose 0
	check "rank 0 has died: rank 1 has the table of those that go on" \
		says '^ferry: statistics of 2 of 3 ranks at the close; none came from rank 0$'
	check "rank 0 has died: one table" tables 1
	check "rank 0 has died: its figures" figures posts 20 1 20 30 2
fi
finish
