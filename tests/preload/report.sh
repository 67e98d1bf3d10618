#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The lines of ferry-preload --report: see report.c.
. "$TEST_SRCDIR/tests/preload/modes.sh"
program=$TEST_BUILDDIR/tests/preload/report
if [ "$modes" = plain ]; then
	echo "SKIP: there is no preload layer here"
	exit 77
fi

report() {
	launch -n "$1" env LD_PRELOAD="$layer" FERRY_PRELOAD_REPORT=1 "$program" "$2"
	cat "$work/err" >>"$work/out"
}
tells_once() { [ "$(grep -c '^ferry-preload: rank 0: ' "$work/out")" -eq 1 ]; }

report 2 late
check "with MPI_Finalize: it ends well" ended_with 0
check "... and tells once" tells_once
check "... of two calls, the one that waited and MPI_Finalize" \
	says '^ferry-preload: rank 0: 2 calls before .* passed by$'
# Launchers call it a failure or not.
report 1 exit
check "without MPI_Finalize: it tells once" tells_once
check "... and says so" says '^ferry-preload: rank 0: .* passed by; MPI_Finalize was not called$'
finish
