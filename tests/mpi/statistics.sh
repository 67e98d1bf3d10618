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

beside without job 2 plain
export FERRY_STATS=1
beside one job 1 plain
beside two job 2 plain
beside four job 4 plain
beside nothread job 2 nothread
beside engines job 2 two
beside left job 2 left
unset FERRY_STATS
FERRY_TEST_STATS_WAITS=300 beside mixed job 2 mixed
file=$work/all.json
export FERRY_STATS="$file"
beside file job 4 plain
FERRY_STATS=$work/left.json beside file_left job 2 left
FERRY_STATS=$work/engines.json beside file_engines job 2 two
FERRY_STATS=/nonexistent/all.json beside file_nowhere job 2 plain
FERRY_STATS=perhaps beside refused job 1 plain

of without
check "without the option nothing is said" does_not_say '^ferry:'
of one
check "1 rank: ends well" ended_with 0
check "1 rank: its figures" figures posts 10 0 10 10 0
of two
check "2 ranks: end well" ended_with 0
check "2 ranks: one table" tables 1
check "2 ranks: who posted least and most" figures posts 10 0 10 20 1
check "2 ranks: what came" figures delivered 10 1 10 20 0
check "2 ranks: nothing was left" says '^ferry:   nothing was left untaken, retained or open$'
of four
check "4 ranks: end well" ended_with 0
check "4 ranks: one table" tables 1
check "4 ranks: minimum, median, maximum and who" figures posts 10 0 20 40 3
of nothread
check "without threads: one table" tables 1
check "without threads: its figures" figures posts 10 0 10 20 1
of engines
check "two engines: two tables" tables 2

of left
check "what is left: ends well" ended_with 0
check "what is left: untaken" says '^ferry:   rank 1: 3 messages of op 0x1234 from rank 0 that nobody handled or read$'
check "what is left: retained" says '^ferry:   rank 1: 1 message of op 0x22 retained and not released$'
check "what is left: unanswered" says '^ferry:   rank 1: 1 request of op 0x22 without an answer$'
check "what is left: a call" says '^ferry:   rank 0: 1 call to rank 1 without a reply$'
check "what is left: a promise" says '^ferry:   rank 0: 1 promise that nobody fulfilled$'

of mixed
check "not on rank 0: ends well" ended_with 0
check "not on rank 0: rank 1 has its own line" says '^ferry: rank 1: statistics of this rank alone, as .*: posts 20, '
check "not on rank 0: no table" tables 0

of file
check "a file: ends well" ended_with 0
check "a file: nothing on stderr" does_not_say '^ferry:'
if command -v python3 >/dev/null; then
	check "the files have each rank's value, what was left, and one each of two engines" \
		python3 - "$work" <<'PYTHON'
import json, sys
read = lambda name: json.load(open(sys.argv[1] + "/" + name))
d = read("all.json")
assert d["ranks"] == 4 and d["missing"] == [], d
assert d["counters"]["posts"] == dict(min=10, min_rank=0, median=20, max=40, max_rank=3, of=[10, 20, 30, 40]), d
left = [(x["rank"], x["what"], x["op"], x["peer"], x["count"]) for x in read("left.json")["left"]]
assert left == [(0, "calls", None, 1, 1), (0, "promises", None, None, 1), (1, "untaken", 0x1234, 0, 3),
                (1, "retained", 0x22, None, 1), (1, "unanswered", 0x22, None, 1)], left
assert read("engines.2.json")["ranks"] == 2
PYTHON
fi
of file_nowhere
check "a file that cannot be: ends well" ended_with 0
check "a file that cannot be: a line" says '^ferry: rank 0: the statistics could not be written to /nonexistent/all.json: No such file'
of refused
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
