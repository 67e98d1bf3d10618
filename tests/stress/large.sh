#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tests/mpi/large with attachments of 3 GiB and 5 bytes: beyond what an int counts.
needed=8
free=$(awk '/^MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)
if [ "$free" -lt $needed ]; then
	echo "SKIP: $needed GiB of memory are needed, $free are there"
	exit 77
fi
LARGE_BYTES=3g TEST_TIMEOUT=${TEST_TIMEOUT-1200} exec "$TEST_SRCDIR/tests/support/mpirun.sh" 2 \
	"$TEST_BUILDDIR/tests/mpi/large"
