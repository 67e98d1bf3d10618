#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# On one host a handler that blocks is late, a death is proved, and who is stopped is accused.
# MPICH's launcher has to leave the others alive. LATE_MS is the peer_timeout; with LATE_ALL set
# more is tried.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/tests/mpi/late
needs_survivors

shell='exec "$@"'
late() { # how argument...
	how=$1
	shift
	rm -f "$work/said"
	launch -disable-auto-cleanup "$@" -n 3 sh -c "$shell" sh "$program" "$how" "$work/said" "${LATE_MS-400}"
	cat "$work/said" >>"$work/out"
}

apart="-launcher fork -hosts a:1,b:1,c:1"

for how in late ${LATE_ALL+callback}; do
	late $how
	for rank in 0 1 2; do
		check "$how: rank $rank waits" says "^rank $rank waited"
	done
done
for how in kill stop; do
	# Of ranks of one host the launcher ends all when one is killed: so that is a child of a shell.
	[ $how = stop ] || shell='"$@"; sleep 0.7; :'
	late $how
	shell='exec "$@"'
	for rank in 0 1; do
		check "$how: rank $rank goes on" says "^rank $rank lost it"
	done
done
check "stop: who was left out stops" says '^rank 2 stopped'
FERRY_LOG="$work/log.%r" late apart $apart
for rank in 0 1; do
	check "apart: rank $rank goes on" says "^rank $rank lost it"
done
check "apart: who was left out stops" says '^rank 2 stopped'
cat "$work/log.2" >>"$work/out"
check "apart: it says before that it will be" says 'inside of the inline handler of op 0x1 for [0-9]* ms: ranks of other hosts'
finish
