#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Collective operations beside messages: see collectives.c.
. "$TEST_SRCDIR/tests/preload/modes.sh"
program=$TEST_BUILDDIR/tests/preload/collectives

passes
finish
