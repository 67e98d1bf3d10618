#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Threads that come and go: see many.c. Each number blocks the ranks in two other calls.
. "$TEST_SRCDIR/tests/preload/modes.sh"
program=$TEST_BUILDDIR/tests/preload/many

for number in 0 1 2 3 4; do
	passes $number
done
finish
