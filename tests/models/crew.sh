#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The model of the crew. About 170,000 states. Ranks that stop are no deadlock: -E.
. "$TEST_SRCDIR/tests/support/models.sh"
PAN_OPTIONS=-E
check_model crew 4
