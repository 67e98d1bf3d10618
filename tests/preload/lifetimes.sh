#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What ends before its message does: see lifetimes.c.
. "$TEST_SRCDIR/tests/preload/modes.sh"
program=$TEST_BUILDDIR/tests/preload/lifetimes

passes
finish
