#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Probes: see probes.c.
. "$TEST_SRCDIR/tests/preload/modes.sh"
program=$TEST_BUILDDIR/tests/preload/probes

passes
finish
