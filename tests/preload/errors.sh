#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Errors are the same with the layer: see errors.c.
. "$TEST_SRCDIR/tests/preload/modes.sh"
program=$TEST_BUILDDIR/tests/preload/errors

if [ "$TEST_MPI" = "Open MPI" ]; then
	echo "SKIP: what Open MPI does after truncated messages in arrays of requests was not tried to its end"
	exit 77
fi
passes
for mode in $modes; do
	run "$mode" fatal
	check "$mode: an error on a fatal communicator ends the job" failed
	check "... and nothing goes on" does_not_say "the job goes on"
	check "... nor hangs" does_not_say "it hangs"
done
finish
