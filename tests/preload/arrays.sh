#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Arrays of requests of all kinds: see arrays.c.
. "$TEST_SRCDIR/tests/preload/modes.sh"
program=$TEST_BUILDDIR/tests/preload/arrays

passes
finish
