#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two and three hosts, joined by a cable that delays, loses, doubles and is cut:
#
#     hosts.sh [tests] [plain] [wordcount] [heal] [cut] [death]
#
#   tests      the tests of 2 and 3 ranks, each rank on a host of its own, over a good link and a bad one
#   plain      a job that is busy, over a good link and a bad one
#   wordcount  wordcount --verify likewise, and over a link that is cut for 4 s
#   heal       a job that is busy while all hosts are cut off for 4 s
#   cut        hosts that are cut off for ever
#   death      a rank that is killed on another host, a host that vanishes, a link that goes down
#
# All of them unless told, in half an hour. HOSTS_RUNS (20) is how often each fault of the last two is
# repeated; HOSTS_SEED (1) is the cable's. At the end stands a line for each fault: how long it took
# in the worst run until every wait had ended.
. "$(dirname "$0")/common.sh"
. "$TEST_SRCDIR/tests/support/hosts.sh"
parts=${*:-tests plain wordcount heal cut death}
wanted() { case " $parts " in *" $1 "*) ;; *) return 1 ;; esac }

# The names in a list of tests/local.mk, without those of examples.
listed() { sed -n "/^np$1_tests = /,/# end/s,.*%D%/mpi/\\(.*\\)-[0-9]*\\.np.*,\\1,p" "$TEST_SRCDIR/tests/local.mk"; }

build() {
	for name in "$@"; do
		built "$name"
	done
}
if [ -z "$HOSTS_DIR" ]; then
	build tests/support/cable tests/mpi/parted examples/wordcount
	! wanted tests || build $({ listed 2 && listed 3; } | sed 's,^,tests/mpi/,')
fi
hosts_enter "$@"
. "$TEST_SRCDIR/tests/support/parted.sh"
runs=${HOSTS_RUNS-20} seed=${HOSTS_SEED-1}
rows=$HOSTS_DIR/rows
TMPDIR=$HOSTS_DIR # its tests take no lock that others wait for
export TMPDIR
hosts_up 3 none
hosts_cable "$seed"

# over_hosts N COMMAND...: only the first N of them are used.
over_hosts() {
	hosts_n=$1
	shift
	"$@"
	hosts_n=3
}

good() { echo "PASS: $1"; }
bad() {
	echo "FAIL: $1"
	failed=1
}

# ---- the tests ---------------------------------------------------------------

all_tests() { # link
	for n in 2 3; do
		for name in $(listed $n); do
			hosts_$1_link
			over_hosts $n hosts_test "$name" $n
		done
	done
	hosts_good_link
	echo "over a $1 link: all tests of 2 and 3 ranks were run"
}

if wanted tests; then
	all_tests good
	all_tests bad
fi

# ---- nothing is gone -----------------------------------------------------------

peer_timeout=15000

busy() { # link, hosts, ranks on each, members
	hosts_n=$2
	hosts_$1_link
	parted_begin "$3"
	sleep 5
	parted_now
	parted_end
	hosts_good_link
	parted_judge "$2 hosts with $3 ranks, a $1 link" "$4" ""
	hosts_n=3
}

if wanted plain; then
	for link in good bad; do
		busy $link 2 1 "0 1"
		busy $link 2 2 "0 1 2 3"
		busy $link 3 1 "0 1 2"
	done
fi

# Cut for 4 s, and then there are 20 s for TCP to begin again.
heal() { # hosts, ranks on each, members
	hosts_n=$1
	parted_begin "$2"
	before=$(cable_count cut)
	cable cut
	sleep 4
	cable mend
	parted_now
	parted_end
	again=$(($(parted_clock) - parted_at))
	parted_judge "$1 hosts with $2 ranks, cut for 4 s" "$3" ""
	[ "$(cable_count cut)" -gt "$before" ] || bad "nothing was cut off"
	[ "$parted_status" -eq 0 ] || bad "the job ended with status $parted_status"
	echo "$again" >>"$HOSTS_DIR/again"
	hosts_n=3
}

if wanted heal; then
	rm -f "$HOSTS_DIR/again"
	for run in 1 2 3 4 5; do
		heal 2 1 "0 1"
		heal 3 1 "0 1 2"
	done
	echo "cut for 4 s: 10 runs; all was delivered $(largest "$HOSTS_DIR/again") ms after it healed, at the latest" >>"$rows"
fi

# ---- wordcount -----------------------------------------------------------------

words() { # what, hosts, bytes
	hosts_n=$2
	status=0
	(
		export FERRY_PEER_TIMEOUT=15s
		on_hosts 1 "$TEST_BUILDDIR/examples/wordcount" --verify --threads 2 --bytes "$3"
	) >"$HOSTS_DIR/words" 2>&1 || status=$?
	if [ $status -eq 0 ] && grep -q '^verified$' "$HOSTS_DIR/words"; then
		good "wordcount over $2 hosts, $1"
	else
		bad "wordcount over $2 hosts, $1: status $status"
		tail -n 20 "$HOSTS_DIR/words"
	fi
	hosts_n=3
}

if wanted wordcount; then
	for n in 2 3; do
		words "a good link" $n 32000000
		hosts_bad_link
		words "a bad link" $n 8000000
		hosts_good_link
		before=$(cable_count cut)
		{ sleep 1 && echo cut && sleep 4 && echo mend; } 1<>"$HOSTS_DIR/cable.control" &
		words "cut for 4 s" $n 200000000
		[ "$(cable_count cut)" -gt "$before" ] || bad "nothing was cut off"
	done
fi

# ---- what ends -----------------------------------------------------------------

peer_timeout=1000

# row WHAT: what all runs since the last one took.
row() {
	[ -f "$HOSTS_DIR/ends" ] || return
	echo "$1: $runs runs; the end after $(largest "$HOSTS_DIR/ends") ms at most, a close $(largest "$HOSTS_DIR/closes") ms" >>"$rows"
	rm -f "$HOSTS_DIR/ends" "$HOSTS_DIR/closes"
}

# All go on for some rounds, and the job ends.
go_on() { # how often what was said before
	while [ $# -gt 0 ]; do
		parted_await "$1" "$2"
		shift 2
	done
	sleep 0.5
	parted_end
	hosts_n=3
}

part() { # hosts, ranks on each, which is cut off, and what go_on takes
	hosts_n=$1
	parted_begin "$2"
	parted_now
	cable cut "$3"
	shift 3
	go_on "$@"
	cable mend
}

cut_two() {
	part 2 1 1 2 "[01] gone"
	parted_judge "two hosts, cut: 0" 0 1
	parted_judge "two hosts, cut: 1" 1 0
}

cut_pairs() {
	part 2 2 1 4 "[01] gone [23]" 4 "[23] gone [01]"
	parted_judge "two hosts with two ranks, cut: 0 and 1" "0 1" "2 3"
	parted_judge "two hosts with two ranks, cut: 2 and 3" "2 3" "0 1"
}

cut_three() {
	part 3 1 2 2 "[01] gone 2" 1 "2 stopped"
	parted_judge "one of three hosts, cut off: 0 and 1" "0 1" 2
	parted_stopped "one of three hosts, cut off: 2" 2
}

cut_three_pairs() {
	part 3 2 2 8 "[0-3] gone [45]" 8 "[45] gone [0-3]"
	parted_judge "one of three hosts with two ranks, cut off: 0 to 3" "0 1 2 3" "4 5"
	parted_judge "one of three hosts with two ranks, cut off: 4 and 5" "4 5" "0 1 2 3"
}

quorum_two() {
	export FERRY_QUORUM=1
	part 2 1 1 1 "0 gone 1" 1 "1 stopped"
	unset FERRY_QUORUM
	parted_judge "two hosts, cut, quorum: 0" 0 1
	parted_stopped "two hosts, cut, quorum: 1" 1
}

quorum_three() {
	export FERRY_QUORUM=1
	part 3 2 2 8 "[0-3] gone [45]" 2 "[45] stopped"
	unset FERRY_QUORUM
	parted_judge "one of three hosts with two ranks, quorum: 0 to 3" "0 1 2 3" "4 5"
	parted_stopped "one of three hosts with two ranks, quorum: 4 and 5" "4 5"
}

repeat() { # function, what
	run=0
	while [ $run -lt "$runs" ]; do
		run=$((run + 1))
		$1
	done
	row "$2"
}

unset FERRY_QUORUM
if wanted cut; then
	repeat cut_two "2 hosts of 1 rank, cut for ever: each goes on"
	repeat cut_pairs "2 hosts of 2 ranks, cut for ever: each goes on"
	repeat cut_three "1 of 3 hosts of 1 rank, cut off for ever: 2 go on, 1 stops"
	repeat cut_three_pairs "1 of 3 hosts of 2 ranks, cut off for ever: both sides go on"
	repeat quorum_two "2 hosts of 1 rank, cut for ever, quorum: 1 goes on, 1 stops"
	repeat quorum_three "1 of 3 hosts of 2 ranks, cut off for ever, quorum: 4 go on, 2 stop"
fi

# The connection is reset: a process that ends closes its sockets.
killed() {
	parted_begin 1
	parted_now
	kill -KILL "$(parted_process 1)"
	go_on 2 "[02] gone 1"
	parted_judge "a rank of three is killed on its host" "0 2" 1
}

# Nothing says so: not even the connections end.
vanished() {
	parted_begin 2
	parted_now
	cable cut 1
	kill -KILL "$(parted_process 2)" "$(parted_process 3)"
	go_on 8 "[0145] gone [23]"
	cable mend
	parted_judge "a host of three vanishes with its two ranks" "0 1 4 5" "2 3"
}

# Its own rank learns it from its kernel.
link_down() {
	parted_begin 1
	parted_now
	in_host host2 ip link set cable0 down
	go_on 2 "[01] gone 2" 1 "2 stopped"
	in_host host2 ip link set cable0 up
	parted_judge "the link of a host goes down: 0 and 1" "0 1" 2
	parted_stopped "the link of a host goes down: 2" 2
}

killed_bad() {
	peer_timeout=3000 # a word may be lost several times
	hosts_bad_link
	killed
	hosts_good_link
	peer_timeout=1000
}

if wanted death; then
	repeat killed "SIGKILL of 1 of 3 ranks, each on a host"
	repeat killed_bad "the same over a bad link, peer_timeout 3 s"
	repeat vanished "1 of 3 hosts of 2 ranks vanishes"
	repeat link_down "the link of 1 of 3 hosts goes down"
fi
echo "----"
[ ! -f "$rows" ] || cat "$rows"
cable report
tail -n 1 "$HOSTS_DIR/cable.report"
exit $failed
