#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The model of futures. About 1,700,000 states.
. "$TEST_SRCDIR/tests/support/models.sh"
check_model future 4
