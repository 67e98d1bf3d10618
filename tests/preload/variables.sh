#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What FERRY_PRELOAD asks for.
. "$TEST_SRCDIR/tests/preload/modes.sh"
[ "$modes" != plain ] || { echo "SKIP: there is no layer to be loaded before a program"; exit 77; }
program=$TEST_BUILDDIR/tests/preload/computes
perf=$TEST_BUILDDIR/tools/ferry-perf

with() { # VALUE COMMAND...
	value=$1
	shift
	launch -n 2 env LD_PRELOAD="$layer" FERRY_PRELOAD="$value" FERRY_PRELOAD_REPORT=1 "$@"
}

with progress "$program"
check "progress: a message comes to a rank that computes" says '^it came'
check "... and all ends well" ended_with 0
with '' "$perf" rate -d 0.02 -r 1 -t 2 --preload multiple
check "without a value the layer is on" says ' then [1-9][0-9]* nonblocking operations started at once'
with off "$perf" rate -d 0.02 -r 1 -t 2 --preload multiple
check "off: there is no layer" says 'needs libferry-preload'
with serialized "$perf" rate -d 0.02 -r 1 -t 2 --preload multiple
check "serialized: it cannot be switched off" says 'needs libferry-preload'
with sideways "$perf" rate -d 0.02 -r 1 -t 2 --preload multiple
check "a wrong value gets a sentence" says 'FERRY_PRELOAD is off, progress or serialized, and not sideways'
check "... and all ends well" ended_with 0
finish
