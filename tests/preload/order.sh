#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The order of messages: see order.c.
. "$TEST_SRCDIR/tests/preload/modes.sh"
program=$TEST_BUILDDIR/tests/preload/order

passes
finish
