#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Random acts of many threads of several ranks against books (soak.c). In make check 5 s of it; make
# soak MINUTES=60 for longer. SOAK_SECONDS, SOAK_RANKS, SOAK_THREADS, SOAK_SEED, SOAK_LIMIT (how long
# a wait may take, in s) and SOAK_MIB (how much a rank may grow) change a run. With
# SOAK_PEER_TIMEOUT_MS silence is an accusation; with SOAK_STOP_MS each rank is stopped for so long now
# and then; with SOAK_BLOCK_MS an inline handler of one rank in turn blocks for so long each round.
. "$(dirname "$0")/common.sh"
source=$TEST_SRCDIR/tests/stress/soak.c

# NAME REASON: public functions that do not belong into the mix.
left_out() {
	cat <<-'END'
	ferry_abort ends the engine of a rank: tests/mpi/deaths.c
	ferry_peer_gone ends the engine of another rank: tests/sim/peers.c
	END
}

# Each function of the headers is called or left out, and not both.
declared() {
	cat "$TEST_SRCDIR"/include/ferry*.h | tr '\n' ' ' | tr ';{}' '\n\n\n' |
		sed -n 's/.*FERRY_API [^(]*\b\(ferry_[a-z0-9_]*\)(.*/\1/p' | sort -u
}
names=$(declared)
[ "$(echo "$names" | wc -l)" -gt 100 ] || { echo "FAIL: the headers declare only: $names"; failed=1; }
for name in $names; do
	called=no out=no
	grep -q "\\b$name(" "$source" && called=yes
	left_out | grep -q "^$name " && out=yes
	case $called,$out in
	no,no) echo "FAIL: $name is neither in tests/stress/soak.c nor left out with a reason" ;;
	yes,yes)
		echo "FAIL: $name is left out, and in tests/stress/soak.c" ;;
	*) continue ;;
	esac
	failed=1
done
for name in $(left_out | sed 's/ .*//'); do
	echo "$names" | grep -qx "$name" || { echo "FAIL: $name is left out, and no function"; failed=1; }
done
[ $failed = 0 ] || exit 1

seconds=${SOAK_SECONDS-5} ranks=${SOAK_RANKS-2} threads=${SOAK_THREADS-4}
# What a sanitizer keeps of freed memory is no growth of the library.
[ "${TEST_SANITIZER:-no}" = no ] || { SOAK_MIB=${SOAK_MIB-2000} && export SOAK_MIB; }
built tests/stress/soak
TEST_TIMEOUT=$((seconds + 180))
export TEST_TIMEOUT
# Its lines are shown as they come; mpirun.sh would keep them until the end.
out=$TEST_BUILDDIR/tests/stress/soak.out
(
	flock 9
	one_host "$ranks" "$TEST_BUILDDIR/tests/stress/soak" "$seconds" "$threads" 2>&1
	echo "ended with $?"
) 9>"${TMPDIR:-/tmp}/ferry-test.$(id -u).lock" | tee "$out"
grep -q '^ended with 0$' "$out" && grep -q '^PASS' "$out"
