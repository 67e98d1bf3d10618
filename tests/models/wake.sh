#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The model of sleep and wake. About 800,000 states.
. "$TEST_SRCDIR/tests/support/models.sh"
check_model wake 5
