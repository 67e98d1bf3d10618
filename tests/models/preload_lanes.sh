#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The model of the order of the preload layer's lanes. About 4,500 states.
. "$TEST_SRCDIR/tests/support/models.sh"
check_model preload_lanes 3
