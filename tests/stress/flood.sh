#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Four threads flood a receiver that does not read for 7 s (flood.c): memory of both sides, nothing
# lost, and the calls of a third rank meanwhile. A minute.
. "$(dirname "$0")/common.sh"
built tests/stress/flood
free=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
if [ "$free" -lt 1000 ]; then
	echo "SKIP: 1000 MiB of memory are needed, $free are there"
	exit 77
fi
TEST_TIMEOUT=${FLOOD_TIMEOUT-120}
export TEST_TIMEOUT
# Two ranks first: with a third one there are more threads than processors on small machines.
for run in "2 mailbox" "2 late" "3 mailbox" "3 pool" "3 inline"; do
	echo "---- ${run% *} ranks, ${run#* }"
	"$TEST_SRCDIR/tests/support/mpirun.sh" ${run% *} "$TEST_BUILDDIR/tests/stress/flood" ${run#* } || failed=1
done
exit $failed
