#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Everything at once for 2 s: see soak.c. By hand: soak 600 16.
. "$TEST_SRCDIR/tests/preload/modes.sh"
program=$TEST_BUILDDIR/tests/preload/soak

passes
finish
